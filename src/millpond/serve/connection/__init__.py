"""One client's connection: uvicorn's HTTP protocol, bounded, with hits answered at the socket."""
