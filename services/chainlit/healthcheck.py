"""The container's healthcheck: exit 0 if Chainlit's `/health` says ok in its body (any other path is 200, too)."""

import http.client
import json
import sys

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
connection.request("GET", "/health")
sys.exit(json.load(connection.getresponse()) != {"status": "ok"})
