"""/robots.txt is a metadata file: a function returns its content."""

from millpond.metadata import Robots


def robots() -> Robots:
    return {"rules": {"user_agent": "*", "allow": "/", "disallow": "/search"}}
