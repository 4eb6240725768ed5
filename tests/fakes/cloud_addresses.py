"""CLOUD_URL as people write it: the relay on the host and the chat app, which share no code, must read it alike."""

from __future__ import annotations

MODEL = "gpt-4o"
API, AZURE = "https://api.example.com", "https://mine.openai.azure.com"
DEPLOYMENT = f"{AZURE}/openai/deployments/{MODEL}/chat/completions?api-version=2024-10-21"

UNDERSTOOD = [
    # the address, CLOUD_API_VERSION, and where completions are asked
    (f"{API}/v1", "", f"{API}/v1/chat/completions"),
    (f"{API}/v1/", "", f"{API}/v1/chat/completions"),
    (f"{API}/v1/chat/completions", "", f"{API}/v1/chat/completions"),
    (API, "", f"{API}/v1/chat/completions"),
    (f"{API}:8443/api/v3", "", f"{API}:8443/api/v3/chat/completions"),
    ("http://127.0.0.1:9000/v1", "", "http://127.0.0.1:9000/v1/chat/completions"),
    ("http://127.1.2.3:9000/v1", "", "http://127.1.2.3:9000/v1/chat/completions"),
    ("http://[::1]:9000/v1", "", "http://[::1]:9000/v1/chat/completions"),
    (AZURE, "", f"{AZURE}/openai/v1/chat/completions"),
    (f"{AZURE}/openai/v1", "", f"{AZURE}/openai/v1/chat/completions"),
    (AZURE, "2024-10-21", DEPLOYMENT),
    (DEPLOYMENT, "", DEPLOYMENT),
    (f"{AZURE}/openai/deployments/{MODEL}", "2024-10-21", DEPLOYMENT),
]

REFUSED = [
    "api.example.com/v1",
    "ftp://api.example.com",
    "https://",
    "https://host:99999/v1",
    "http://api.example.com/v1",
    "http://10.0.0.1/v1",
    "http://localhost:9000/v1",
    "http://host.docker.internal:51211/cloud/v1",
    "http://127.0.0.1.evil.example/v1",
    "https://user:secret@api.example.com/v1",
    f"{API}/v1#x",
    f"{API}/v1?key=secret",
    f"{API}/v1/../admin",
    f"{API}/v1/%2e%2e/admin",
    f"{AZURE}/openai/deployments/{MODEL}",
]
