"""What the chat app is made of. Only `page` and `home` know Chainlit."""
