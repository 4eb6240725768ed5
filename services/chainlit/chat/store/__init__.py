"""Where chats are kept: the database and its forms (`database`), what is in it (`chats`), how Chainlit asks (`layer`)."""
