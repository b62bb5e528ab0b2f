"""The layers between the server and the dispatcher: around it, past it, and what stands in for it."""
