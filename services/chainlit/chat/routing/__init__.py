"""Where a question is answered: by the model on this machine, or by one in a cloud that the stack's owner has set.

Nothing of Chainlit is needed here: the chat app and `chainlit_app.ipynb` use the same modules.
"""
