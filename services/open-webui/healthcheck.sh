#!/bin/bash
# Reads the body: Open WebUI answers 200 to any other path, too. Not Python, whose start every few seconds costs too much.
set -eu
exec 3<>/dev/tcp/127.0.0.1/8080
printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
grep -q '^{"status":true}' <&3
