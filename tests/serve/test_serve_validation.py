"""Requests that aren't valid: FastAPI's 422, of a bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from millpond.serve.inner import MOST_FAULTS
from ponds import client_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

ORDER = """
from pydantic import BaseModel
class Order(BaseModel):
    names: list[str]
def POST(order: Order): return 1
"""


class Order(BaseModel):
    names: list[str]


plain = FastAPI()


@plain.post("/")
def post(order: Order) -> int:
    return 1


@pytest.mark.parametrize("number", [1, MOST_FAULTS])
async def test_a_request_with_some_faults_is_told_all_of_them_as_by_fastapi(project: Project, number: int) -> None:
    project.routes({"/": ORDER})
    async with project.serving() as running, client_of(plain) as client:
        ours = await running.post("/", json={"names": [1] * number})
        theirs = await client.post("/", json={"names": [1] * number})
        assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
        assert len(ours.json()["detail"]) == number


async def test_a_request_of_which_nothing_is_valid_is_told_the_first_faults(project: Project) -> None:
    project.routes({"/": ORDER})
    async with project.serving() as running:
        answer = await running.post("/", json={"names": [1] * 5000})
        assert answer.status_code == 422
        assert [each["loc"] for each in answer.json()["detail"]] == [["body", "names", n] for n in range(MOST_FAULTS)]


async def test_a_handler_of_the_users_own_gets_all_faults(project: Project) -> None:
    project.write(
        {
            "instrumentation.py": """
            from fastapi.exceptions import RequestValidationError
            from fastapi.responses import JSONResponse
            def register(app):
                @app.exception_handler(RequestValidationError)
                async def faults(request, error): return JSONResponse(len(error.errors()), 400)
            """
        }
    )
    project.routes({"/": ORDER})
    async with project.serving() as running:
        answer = await running.post("/", json={"names": [1] * 5000})
        assert (answer.status_code, answer.json()) == (400, 5000)
