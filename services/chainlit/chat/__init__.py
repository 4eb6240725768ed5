"""What the chat app is made of. Only `leaving`, `page` and `home` know Chainlit."""
