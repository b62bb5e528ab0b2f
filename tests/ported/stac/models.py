"""GeoJSON and STAC, as far as the API has to understand them; what else a document has is kept."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Identifier = Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")]
BBox = Annotated[list[float], Field(min_length=4, max_length=4)]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Link(Open):
    rel: str
    href: str
    type: str | None = None
    title: str | None = None
    method: str | None = None


class Asset(Open):
    href: str
    type: str | None = None
    roles: list[str] | None = None


class Collection(Open):
    type: Literal["Collection"] = "Collection"
    stac_version: str = "1.0.0"
    id: Identifier
    description: str
    license: str
    extent: dict[str, Any]
    title: str | None = None
    keywords: list[str] | None = None
    links: list[Link] = Field(default_factory=list)


class Item(Open):
    type: Literal["Feature"] = "Feature"
    stac_version: str = "1.0.0"
    id: Identifier
    collection: Identifier | None = None
    geometry: dict[str, Any] | None
    bbox: BBox
    properties: dict[str, Any]
    assets: dict[str, Asset] = Field(default_factory=dict)
    links: list[Link] = Field(default_factory=list)

    @model_validator(mode="after")
    def has_a_time(self) -> Self:
        if not isinstance(self.properties.get("datetime"), str):
            raise ValueError("an item needs properties.datetime")
        return self


class Collections(Open):
    collections: list[Collection]
    links: list[Link]


class ItemCollection(Open):
    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Item]
    links: list[Link]
    numberMatched: int  # noqa: N815 - so in the specification
    numberReturned: int  # noqa: N815 - so in the specification


class LandingPage(Open):
    type: Literal["Catalog"] = "Catalog"
    stac_version: str = "1.0.0"
    id: str
    title: str
    description: str
    conformsTo: list[str]  # noqa: N815 - so in the specification
    links: list[Link]


class Conformance(BaseModel):
    conformsTo: list[str]  # noqa: N815 - so in the specification


class Search(BaseModel):
    collections: list[str] | None = None
    ids: list[str] | None = None
    bbox: BBox | None = None
    datetime: str | None = None
    limit: int = Field(10, ge=1, le=1000)
    token: int = Field(0, ge=0)


class JobState(StrEnum):
    running = "running"
    successful = "successful"
    failed = "failed"


class Job(BaseModel):
    id: UUID
    state: JobState
    items: int = 0
