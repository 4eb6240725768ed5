"""What the chat app is made of. Only `again`, `home`, `page`, `preferences` and `uploads` know Chainlit."""
