"""Errors of the catalog, and the statuses that the specification gives them."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


class CatalogError(Exception):
    """The catalog can't do what it is asked for."""

    status = 500


class NotInCatalogError(CatalogError):
    status = 404


class ConflictError(CatalogError):
    status = 409


class InvalidQueryError(CatalogError):
    status = 400


async def refuse(request: Request, error: Exception) -> JSONResponse:
    status = getattr(error, "status", 500)
    return JSONResponse({"code": type(error).__name__.removesuffix("Error"), "description": str(error)}, status)


async def refuse_input(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return JSONResponse({"code": "InvalidQuery", "description": "; ".join(problems)}, 400)


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(CatalogError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_input)
