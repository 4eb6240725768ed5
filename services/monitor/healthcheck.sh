#!/bin/bash
# Asks the monitor whether it lives, and reads the body. Not Python, whose start every few seconds costs too much.
set -eu
exec 3<>/dev/tcp/127.0.0.1/8000
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
grep -q '^{"status": "ok"}' <&3
