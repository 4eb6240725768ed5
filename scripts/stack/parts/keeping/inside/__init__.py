"""Programs that run inside containers, on the Python there, with nothing but its standard library."""
