"""What is asked of each container, by theme."""
