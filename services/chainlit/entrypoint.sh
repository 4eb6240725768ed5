#!/bin/sh
# Chainlit writes next to its configuration, so it gets a copy in memory: the image itself stays read-only.
set -eu
mkdir -p "$CHAINLIT_APP_ROOT"
for part in .chainlit public chainlit.md; do
    if [ -e "/app/$part" ]; then cp -r "/app/$part" "$CHAINLIT_APP_ROOT/"; fi
done
cd "$CHAINLIT_APP_ROOT"
app=/app
if [ -d /sources ]; then # laid there by compose.dev.yaml
    app=/sources
    unreadable=$(find $app -name '[!.]*' ! -readable -print -quit 2>/dev/null || true)
    if [ -n "$unreadable" ]; then
        echo "This container's user can't read $unreadable, which is services/chainlit: chmod -R a+rX services" >&2
        exit 1
    fi
    ln -sf $app/chainlit.md chainlit.md
    ln -sf $app/.chainlit/config.toml .chainlit/config.toml
    rm -rf public && ln -s $app/public public
    ln -sfn $app sources # Chainlit watches the folder that it runs in
fi
exec /opt/venv/bin/python -m chainlit run "$app/app.py" --headless --host 0.0.0.0 --port 8000
