"""FastAPI's options in files: those of one operation, by a decorator, and those of a folder, in its `router.py`."""
