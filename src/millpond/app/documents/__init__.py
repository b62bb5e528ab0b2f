"""The OpenAPI document: what FastAPI leaves out of it."""
