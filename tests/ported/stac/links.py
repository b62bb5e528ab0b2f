"""Links between the documents of the catalog."""

from typing import Any

from ported.stac.models import Link

GEOJSON = "application/geo+json"


class Links:
    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    def to(self, rel: str, path: str, kind: str = "application/json", **more: Any) -> Link:
        return Link(rel=rel, href=f"{self._base}{path}", type=kind, **more)

    def root(self) -> Link:
        return self.to("root", "/")

    def of_collection(self, collection: str) -> list[Link]:
        path = f"/collections/{collection}"
        return [
            self.to("self", path),
            self.to("parent", "/"),
            self.to("items", f"{path}/items", GEOJSON),
            self.root(),
        ]

    def of_item(self, collection: str, item: str) -> list[Link]:
        path = f"/collections/{collection}"
        return [
            self.to("self", f"{path}/items/{item}", GEOJSON),
            self.to("parent", path),
            self.to("collection", path),
            self.root(),
        ]
