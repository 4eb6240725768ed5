#!/bin/sh
# Fills the blanks of index.html with what the image was built with; all else is as in production, page.conf included.
set -eu
unreadable=$(find /sources -name '[!.]*' ! -readable -print -quit 2>/dev/null || true)
if [ -n "$unreadable" ]; then
    echo "This container's user can't read $unreadable, which is services/webgpu-static/page: chmod -R a+rX services" >&2
    exit 1
fi
model=$(echo /site/app-*/mnist.onnx)
ln -sf "$model" /tmp/mnist.onnx
cat > /tmp/blanks.conf <<END
sub_filter '{{app}}' page;
sub_filter '{{runtime}}' $(basename /site/onnxruntime-web-*);
sub_filter '{{model-sha256}}' $(sha256sum "$model" | cut -d ' ' -f 1);
END
exec nginx -e stderr -c /etc/nginx/nginx.conf
