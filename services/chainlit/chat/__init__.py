"""What the chat app is made of. Only `again`, `page` and `home` know Chainlit."""
