"""Stand-ins for what a test can't have for real, or can't bring to misbehave on demand."""
