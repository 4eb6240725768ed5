"""What the chat app is made of.

Chainlit is known to `home`, `page`, `words`, `sign_in`, `kept`, `export_page` and `store.layer` only.
"""
