"""No request is understood as another: what the server makes of hostile bytes is what a second parser makes of them.

The long form is in `make soak`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hostile import SEEDS, Seen, Target, Understood, hostile, misunderstanding, understood_by_h11
from three_ways import three_ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ponds import Project

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("uvicorn.error")
    former, logger.disabled = logger.disabled, True  # handlers are left in the middle of bodies
    yield
    logger.disabled = former


async def test_no_request_is_understood_as_another(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    found: list[str] = []
    async with three_ways(project) as ways:
        target = Target(ways.pond)
        async with target.listening():
            for seed in range(800):
                pieces, _ = hostile(seed)
                wrong = misunderstanding(pieces, await target.hear(pieces))
                if wrong:
                    found.append(f"{seed}: {pieces!r}\n  {wrong}")
        assert ways.pond.hits is not None
        assert ways.pond.hits._requests  # some were remembered by their bytes
    assert found == []
    assert [record.getMessage() for record in caplog.records if record.name == "millpond.serve"] == []


async def test_the_seeds_are_understood_by_both(project: Project) -> None:
    """Else the comparison above would say little."""
    both = 0
    async with three_ways(project) as ways:
        target = Target(ways.pond)
        async with target.listening():
            for request in SEEDS:
                seen = await target.hear([request])
                assert misunderstanding([request], seen) is None
                both += bool(seen.requests) and seen.requests[0].whole
    assert both >= 15


GET = Understood(b"GET", b"/a", [(b"host", b"x")], b"", whole=True)


@pytest.mark.parametrize(
    ("requests", "what"),
    [
        ([GET, GET], "request 1 is none"),
        ([GET._replace(method=b"PUT")], "the method"),
        ([GET._replace(target=b"/b")], "the target"),
        ([GET._replace(body=b"x")], "the body"),
        ([GET._replace(headers=[(b"host", b"x"), (b"authorization", b"evil")])], "the headers"),
        ([], "only these were seen"),
    ],
)
def test_a_misunderstanding_is_noticed(requests: list[Understood], what: str) -> None:
    assert what in str(misunderstanding([b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"], Seen(requests)))


def test_the_other_parser_reads_to_the_end_and_says_what_is_wrong() -> None:
    whole = (
        b"\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
        + b"GET /b HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n"
    )
    found, fault = understood_by_h11(whole)
    assert [(each.method, each.target, each.body) for each in found] == [(b"POST", b"/a", b"hi"), (b"GET", b"/b", b"")]
    assert fault
