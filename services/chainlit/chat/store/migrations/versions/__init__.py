"""The forms, in the order of their numbers. One that was published is never changed: a new one is added."""
