"""How the database came to be as it is: each file in `versions` leads from one form to the next."""
