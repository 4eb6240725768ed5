"""What finds one kind of private thing in a text each; `chat.routing.private` asks them all."""
