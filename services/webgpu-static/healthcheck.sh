#!/bin/bash
# Asks nginx for a file that the build wrote last: the answer's body says that the site is there, not only the server.
set -eu
exec 3<>/dev/tcp/127.0.0.1/8000
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
grep -q '^{"status":"ok",' <&3
