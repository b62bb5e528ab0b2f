"""Documents for tests."""

from typing import Any

KEY = {"x-api-key": "not-for-production"}


def a_collection(name: str, **more: Any) -> dict[str, Any]:
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2026-01-01T00:00:00Z", None]]}}
    plain = {"type": "Collection", "id": name, "description": f"All of {name}", "license": "CC0-1.0", "extent": extent}
    return plain | more


def an_item(name: str, day: int = 1, west: float = 10.0, **more: Any) -> dict[str, Any]:
    plain = {
        "type": "Feature",
        "id": name,
        "geometry": {"type": "Point", "coordinates": [west, 50.0]},
        "bbox": [west, 50.0, west, 50.0],
        "properties": {"datetime": f"2026-11-{day:02}T12:00:00Z"},
        "assets": {"picture": {"href": f"https://pictures.example/{name}.jpg", "roles": ["overview"]}},
    }
    return plain | more
