#!/bin/sh
# Chainlit writes next to its configuration, so it gets a copy in memory: the image itself stays read-only.
set -eu
mkdir -p "$CHAINLIT_APP_ROOT"
for part in .chainlit public chainlit.md; do
    if [ -e "/app/$part" ]; then cp -r "/app/$part" "$CHAINLIT_APP_ROOT/"; fi
done
cd "$CHAINLIT_APP_ROOT"
exec /opt/venv/bin/python -m chainlit run /app/app.py --headless --host 0.0.0.0 --port 8000
