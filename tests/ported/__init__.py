"""Public FastAPI services, with Millpond in the place of the constructor, and `@static` on some of their endpoints."""
