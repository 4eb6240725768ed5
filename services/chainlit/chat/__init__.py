"""What the chat app is made of. Only `asides`, `leaving`, `page` and `home` know Chainlit."""
