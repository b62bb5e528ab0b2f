"""The RealWorld "Conduit" API, written after its published specification: a blog with users, follows and favourites.

Its parts are laid out as FastAPI services of this kind are: routers in modules, repositories over a pool of database
connections, dependencies for required and optional users, errors as `{"errors": ...}`.
"""
