"""What the endpoints do: reads of the catalog."""

from typing import Annotated

from fastapi import Depends, Query
from fastapi.responses import RedirectResponse
from sqlalchemy import ColumnElement, Engine, func, select
from sqlalchemy.orm import Session

from millpond import response_tags
from ported.stac.errors import InvalidQueryError, NotInCatalogError
from ported.stac.links import GEOJSON, Links
from ported.stac.models import Collection, Collections, Conformance, Item, ItemCollection, LandingPage, Link, Search
from ported.stac.settings import StacSettings
from ported.stac.tables import CollectionRow, ItemRow, get_session, ids_of_collections, session_maker

InSession = Annotated[Session, Depends(get_session, scope="function")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Token = Annotated[int, Query(ge=0)]
CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/collections/extensions/transaction",
]


class CoreClient:
    """The catalog's reads.

    Args:
        settings: for links and titles.
        engine: where the catalog is.
    """

    def __init__(self, settings: StacSettings, engine: Engine) -> None:
        self._settings, self._links = settings, Links(settings.public_url)
        self._sessions = session_maker(engine)

    def landing_page(self, session: InSession) -> LandingPage:
        response_tags("collections")
        links = [
            self._links.to("self", "/"),
            self._links.root(),
            self._links.to("data", "/collections"),
            self._links.to("conformance", "/conformance"),
            self._links.to("search", "/search", GEOJSON, method="GET"),
            self._links.to("search", "/search", GEOJSON, method="POST"),
            self._links.to("service-desc", "/api", "application/vnd.oai.openapi+json;version=3.1"),
            *(self._links.to("child", f"/collections/{each}") for each in ids_of_collections(session)),
        ]
        return LandingPage(
            id="rivers",
            title=self._settings.title,
            description=self._settings.description,
            conformsTo=CONFORMS_TO,
            links=links,
        )

    def conformance(self) -> Conformance:
        return Conformance(conformsTo=CONFORMS_TO)

    def collections(self, session: InSession) -> Collections:
        response_tags("collections")
        rows = session.scalars(select(CollectionRow).order_by(CollectionRow.id))
        links = [self._links.to("self", "/collections"), self._links.root()]
        return Collections(collections=[self._collection(row) for row in rows], links=links)

    def collection(self, collection_id: str, session: InSession) -> Collection:
        response_tags(f"collection:{collection_id}")
        return self._collection(found(session, collection_id))

    def items(
        self,
        collection_id: str,
        session: InSession,
        limit: Limit = 10,
        bbox: str | None = None,
        datetime: str | None = None,
        token: Token = 0,
    ) -> ItemCollection:
        response_tags(f"items:{collection_id}")
        found(session, collection_id)
        search = Search(collections=[collection_id], bbox=bbox_of(bbox), datetime=datetime, limit=limit, token=token)
        return self._found(session, search, f"/collections/{collection_id}/items")

    def item(self, collection_id: str, item_id: str, session: InSession) -> Item:
        response_tags(f"item:{collection_id}/{item_id}")
        return self._item(self._row(session, collection_id, item_id))

    def asset(self, collection_id: str, item_id: str, key: str, session: InSession) -> RedirectResponse:
        response_tags(f"item:{collection_id}/{item_id}")
        asset = self._row(session, collection_id, item_id).document["assets"].get(key)
        if asset is None:
            raise NotInCatalogError(f"item {item_id} has no asset {key}")
        return RedirectResponse(asset["href"], 302)

    def get_search(
        self,
        session: InSession,
        collections: str | None = None,
        ids: str | None = None,
        bbox: str | None = None,
        datetime: str | None = None,
        limit: Limit = 10,
        token: Token = 0,
    ) -> ItemCollection:
        search = Search(
            collections=collections.split(",") if collections else None,
            ids=ids.split(",") if ids else None,
            bbox=bbox_of(bbox),
            datetime=datetime,
            limit=limit,
            token=token,
        )
        return self._found(session, search, "/search")

    def post_search(self, search: Search, session: InSession) -> ItemCollection:
        return self._found(session, search, "/search")

    def listed(self) -> list[dict[str, str]]:
        """The collections that there are when a build is made."""
        with self._sessions() as session:
            return [{"collection_id": each} for each in ids_of_collections(session)]

    def _row(self, session: Session, collection: str, item: str) -> ItemRow:
        row = session.get(ItemRow, (item, collection))
        if row is None:
            raise NotInCatalogError(f"collection {collection} has no item {item}")
        return row

    def _collection(self, row: CollectionRow) -> Collection:
        return Collection(**{**row.document, "links": self._links.of_collection(row.id)})

    def _item(self, row: ItemRow) -> Item:
        return Item(**{**row.document, "links": self._links.of_item(row.collection, row.id)})

    def _found(self, session: Session, search: Search, path: str) -> ItemCollection:
        chosen = [*conditions(search)]
        count = session.scalar(select(func.count()).select_from(ItemRow).where(*chosen)) or 0
        page = select(ItemRow).where(*chosen).order_by(ItemRow.datetime.desc(), ItemRow.id)
        rows = session.scalars(page.limit(search.limit).offset(search.token)).all()
        links: list[Link] = [self._links.root(), self._links.to("self", path, GEOJSON)]
        following = search.token + len(rows)
        if following < count:
            links.append(self._links.to("next", f"{path}?limit={search.limit}&token={following}", GEOJSON))
        return ItemCollection(
            features=[self._item(row) for row in rows], links=links, numberMatched=count, numberReturned=len(rows)
        )


def found(session: Session, collection: str) -> CollectionRow:
    row = session.get(CollectionRow, collection)
    if row is None:
        raise NotInCatalogError(f"there is no collection {collection}")
    return row


def bbox_of(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        raise InvalidQueryError(f"bbox={text} isn't four numbers") from None
    return [west, south, east, north]


def conditions(search: Search) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if search.collections is not None:
        chosen.append(ItemRow.collection.in_(search.collections))
    if search.ids is not None:
        chosen.append(ItemRow.id.in_(search.ids))
    if search.bbox is not None:
        west, south, east, north = search.bbox
        chosen += [ItemRow.west <= east, ItemRow.east >= west, ItemRow.south <= north, ItemRow.north >= south]
    if search.datetime is not None:
        start, slash, end = search.datetime.partition("/")
        if start not in {"", ".."}:
            chosen.append(ItemRow.datetime >= start if slash else ItemRow.datetime == start)
        if slash and end not in {"", ".."}:
            chosen.append(ItemRow.datetime <= end)
    return chosen
