"""Where chats are kept: the `database` and its forms, what is in it (`chats`), how Chainlit asks for that (`layer`)."""
