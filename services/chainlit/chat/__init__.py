"""What the chat app is made of. Only `home`, `page`, `preferences` and `uploads` know Chainlit."""
