"""Files that a user attaches to a question: read in a process of their own, cut to what the model has room for."""
