"""A STAC API (SpatioTemporal Asset Catalog), written after its published specification.

Core, features, search and transactions, on SQLAlchemy. As in the known implementation, an object of a class adds the
routes to an application that it is given; endpoints are made from a client's methods.
"""
