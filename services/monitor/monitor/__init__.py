"""The monitor: asks the front ends as a user would, when somebody wants to know, and tells how that turned out."""
