"""Requests that aren't valid: FastAPI's 422, of a bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from millpond.serve.validation_errors import MAX_ERRORS
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


@pytest.mark.parametrize("number", [1, MAX_ERRORS])
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
        assert [each["loc"] for each in answer.json()["detail"]] == [["body", "names", n] for n in range(MAX_ERRORS)]


STRANGE = """
from typing import Annotated, Literal
from fastapi import Form
from pydantic import BaseModel, create_model
class Order(BaseModel, extra="forbid"):
    names: list[str]
    numbers: dict[str, int] = {}
    kind: Literal["a"] = "a"
def POST(order: Order): return 1
def PUT(name: Annotated[str, Form()]): return 1
Wide = create_model("Wide", **{f"field{n}": (int, ...) for n in range(80)})
def PATCH(wide: Wide): return 1
"""


@pytest.mark.parametrize(
    "body",
    [
        b'{"names": NaN}',
        b'{"names": [1, Infinity]}',
        b'{"names": {"a": [{"b": -Infinity}]}}',
        b'{"names": "\\ud800"}',
        b'{"names": [["\\ud800"]]}',
        b'{"names": [], "\\ud800": 1}',
        b'{"names": [], "numbers": {"\\udfff": "x"}}',
        b'{"names": [], "kind": "\\ud800"}',
        b'{"names": {"\\ud800": 1}}',
        b'{"names": ' + b"9" * 4000 + b"}",
        b'{"names": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
        b'{"names": ' + b'{"a":' * 700 + b"1" + b"}" * 701,
        b'{"names": ' + b"[" * 700 + b"]" * 700 + b"}",
        b'{"names": 1e999}',
        b'"\xff"',
    ],
)
async def test_what_json_cannot_hold_is_the_clients_fault_all_the_same(project: Project, body: bytes) -> None:
    project.routes({"/": STRANGE})
    async with project.serving() as running:
        for kind in ("application/json", "text/plain"):
            answer = await running.client.post("/", content=body, headers={"content-type": kind})
            assert 400 <= answer.status_code < 500
            for fault in answer.json()["detail"] if answer.status_code == 422 else ():
                assert {"type", "loc", "msg"} <= set(fault)


async def test_a_file_in_place_of_a_field_is_the_clients_fault(project: Project) -> None:
    project.routes({"/": STRANGE})
    async with project.serving() as running:
        answer = await running.client.put("/", files={"name": b"\xff"})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "name"]


@pytest.mark.parametrize(
    "body", [{"x": "y" * 100_000}, {"x": list(range(30_000))}, {"x" * 100_000: 1}, {"x": [[[]] * 30_000] * 2}]
)
async def test_a_request_of_which_much_is_missing_is_not_told_all_of_it_for_each_field(
    project: Project, body: dict[str, object]
) -> None:
    project.routes({"/": STRANGE})
    async with project.serving() as running:
        answer = await running.client.patch("/", json=body)
        assert answer.status_code == 422
        assert len(answer.content) < 20_000
        faults = answer.json()["detail"]
        assert [fault["loc"] for fault in faults] == [["body", f"field{n}"] for n in range(80)]
        assert all("input" not in fault for fault in faults)


async def test_a_long_name_of_the_clients_is_cut_short(project: Project) -> None:
    project.routes({"/": STRANGE})
    async with project.serving() as running:
        answer = await running.post("/", json={"names": [], "numbers": {"k" * 100_000: "x"}, "l" * 100_000: 1})
        assert answer.status_code == 422
        assert len(answer.content) < 4000


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


async def test_faults_of_a_handlers_own_making_are_told_as_they_are(project: Project) -> None:
    source = """
    from fastapi.exceptions import RequestValidationError
    def POST(): raise RequestValidationError(["the date is over"])
    """
    project.routes({"/": source})
    async with project.serving() as running:
        answer = await running.post("/")
    assert (answer.status_code, answer.json()) == (422, {"detail": ["the date is over"]})
