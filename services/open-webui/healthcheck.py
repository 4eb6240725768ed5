"""The container's healthcheck: exit 0 if Open WebUI says in its body that it is ready (any other path is 200, too)."""

import http.client
import json
import sys

connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=4)
connection.request("GET", "/ready")
sys.exit(json.load(connection.getresponse()) != {"status": True})
