"""What is asked of the machine: it belongs to its owner, and is shown, not judged."""
