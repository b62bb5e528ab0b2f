"""The layers around the whole application: what the configuration says of every answer to a client."""
