"""What the chat app is made of.

Chainlit is known to `again`, `home`, `page`, `preferences`, `uploads`, `words`, `sign_in`, `kept`, `export_page` and
`store.layer` only.
"""
