"""The health check: live. A cached one would say "ok" for as long as the cache lasts, whatever happens."""

from millpond import JSONResponse
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from shop.db import open_session

dynamic = "force-dynamic"
advise_ok = ("live-reads-nothing",)


def GET() -> JSONResponse:
    try:
        with open_session() as session:
            session.execute(select(1))
    except SQLAlchemyError as error:
        return JSONResponse({"database": type(error).__name__}, status_code=503)
    return JSONResponse({"database": "ok"})
