"""Writes to the catalog, for those who have its key."""

import hmac
import uuid
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Request, Response
from fastapi.security import APIKeyHeader
from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from ported.stac.client import InSession, found
from ported.stac.errors import ConflictError, InvalidQueryError, NotInCatalogError
from ported.stac.models import Collection, Identifier, Item, Job, JobState
from ported.stac.tables import CatalogSession, CollectionRow, ItemRow, changed

Key = Annotated[str, Depends(APIKeyHeader(name="x-api-key"))]


def editor(request: Request, key: Key) -> None:
    if not hmac.compare_digest(key.encode(), request.app.state.settings.api_key.encode()):
        raise HTTPException(403, "wrong key")


router = APIRouter(tags=["transactions"], dependencies=[Depends(editor)])


def put(session: Session, collection: str, item: Item) -> None:
    west, south, east, north = item.bbox
    document = item.model_dump(mode="json", exclude={"links"}, exclude_none=True) | {"collection": collection}
    row = ItemRow(
        id=item.id,
        collection=collection,
        datetime=item.properties["datetime"],
        west=west,
        south=south,
        east=east,
        north=north,
        document=document,
    )
    session.merge(row)
    changed(session, f"item:{collection}/{item.id}", f"items:{collection}")


@router.post("/collections", status_code=201)
def create_collection(collection: Collection, session: InSession, response: Response) -> Collection:
    if session.get(CollectionRow, collection.id) is not None:
        raise ConflictError(f"there is a collection {collection.id}")
    document = collection.model_dump(mode="json", exclude={"links"}, exclude_none=True)
    session.add(CollectionRow(id=collection.id, document=document))
    changed(session, "collections", f"collection:{collection.id}", f"items:{collection.id}")
    response.headers["location"] = f"/collections/{collection.id}"
    return collection


@router.put("/collections/{collection_id}")
def update_collection(collection_id: Identifier, collection: Collection, session: InSession) -> Collection:
    found(session, collection_id).document = collection.model_dump(mode="json", exclude={"links"}, exclude_none=True)
    changed(session, "collections", f"collection:{collection_id}")
    return collection


@router.delete("/collections/{collection_id}", status_code=204)
def delete_collection(collection_id: Identifier, session: InSession) -> None:
    session.delete(found(session, collection_id))
    session.execute(delete(ItemRow).where(ItemRow.collection == collection_id))
    changed(session, "collections", f"collection:{collection_id}", f"items:{collection_id}")


@router.post("/collections/{collection_id}/items", status_code=201)
def create_item(collection_id: Identifier, item: Item, session: InSession) -> Item:
    found(session, collection_id)
    if session.get(ItemRow, (item.id, collection_id)) is not None:
        raise ConflictError(f"collection {collection_id} has an item {item.id}")
    put(session, collection_id, item)
    return item


@router.put("/collections/{collection_id}/items/{item_id}")
def update_item(collection_id: Identifier, item_id: Identifier, item: Item, session: InSession) -> Item:
    if item.id != item_id:
        raise InvalidQueryError(f"the path says {item_id}, and the item {item.id}")
    if session.get(ItemRow, (item_id, collection_id)) is None:
        raise NotInCatalogError(f"collection {collection_id} has no item {item_id}")
    put(session, collection_id, item)
    return item


@router.delete("/collections/{collection_id}/items/{item_id}", status_code=204)
def delete_item(collection_id: Identifier, item_id: Identifier, session: InSession) -> None:
    row = session.get(ItemRow, (item_id, collection_id))
    if row is None:
        raise NotInCatalogError(f"collection {collection_id} has no item {item_id}")
    session.delete(row)
    changed(session, f"item:{collection_id}/{item_id}", f"items:{collection_id}")


@router.post("/collections/{collection_id}/bulk_items", status_code=202)
def bulk_items(
    collection_id: Identifier, items: list[Item], session: InSession, request: Request, tasks: BackgroundTasks
) -> Job:
    found(session, collection_id)
    job = Job(id=uuid.uuid4(), state=JobState.running)
    jobs: dict[uuid.UUID, Job] = request.app.state.jobs
    jobs[job.id] = job
    tasks.add_task(insert, request.app.state.sessions, collection_id, items, job)
    return job.model_copy()


def insert(sessions: sessionmaker[CatalogSession], collection: str, items: list[Item], job: Job) -> None:
    """What a bulk request does after its answer, in a transaction of its own."""
    try:
        with sessions() as session, session.begin():
            for item in items:
                put(session, collection, item)
                job.items += 1
        job.state = JobState.successful
    except Exception:
        job.state = JobState.failed
        raise


@router.get("/jobs/{job_id}")
def get_job(job_id: uuid.UUID, request: Request) -> Job:
    job: Job | None = request.app.state.jobs.get(job_id)
    if job is None:
        raise NotInCatalogError(f"there is no job {job_id}")
    return job
