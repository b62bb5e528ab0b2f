"""Errors have the bodies that the specification gives them: `{"errors": {"body": [...]}}`."""

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


class MissingEntityError(Exception):
    """Something that a path names isn't there."""


def errors(*messages: object, status: int) -> JSONResponse:
    return JSONResponse({"errors": {"body": [str(message) for message in messages]}}, status)


async def http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return errors(error.detail, status=error.status_code)


async def invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return errors(*(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()), status=422)


async def missing(request: Request, error: Exception) -> JSONResponse:
    return errors(f"{error} does not exist", status=404)
