"""Without the private names of other packages everything answers as with them; the log says what is missing."""

from __future__ import annotations

import asyncio
import http.cookies
import json
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import whole_product
from hidden_names import HERE, environment

from millpond.internals import (
    cookie_names,
    fastapi_inclusion,
    fastapi_names,
    pictex_memory,
    private_name,
    stack_names,
    starlette_names,
    uvicorn_names,
)
from millpond.internals.private_name import NoName, PrivateName, tell_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    Name = tuple[str, str]

SECONDS = 30
IN_PROCESS = [
    *((name.module, name.name) for name in (*fastapi_names.NAMES, *fastapi_inclusion.NAMES, *starlette_names.NAMES)),
    (stack_names.TURN_OF_THE_LOOP.module, stack_names.TURN_OF_THE_LOOP.name.partition(".")[0]),
]
OF_SERVER = [(name.module, name.name) for name in uvicorn_names.NAMES]
GROUPS = len(IN_PROCESS) if os.environ.get("EACH_NAME_ALONE") else 3
"""`.ci/run` takes each away alone, too."""


def outcomes(folder: Path, hidden: Sequence[Sequence[Name]]) -> list[dict[str, Any]]:
    """What comes of the project, for each set of names that is hidden."""
    path = os.pathsep.join((str(HERE), str(HERE.parent)))
    done = subprocess.run(
        [sys.executable, str(HERE / "whole_product.py"), str(folder)],
        input="\n".join(json.dumps(names) for names in hidden),
        env={**_without_coverage(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS * len(hidden),
    )
    lines = done.stdout.splitlines()
    assert [names for names, line in zip(hidden, lines, strict=True) if not line] == [], done.stderr
    return [json.loads(line) for line in lines]


def test_answers_are_the_same_whatever_is_taken_away(tmp_path: Path) -> None:
    groups = [IN_PROCESS[number::GROUPS] for number in range(GROUPS)]
    whole, *lacking = outcomes(tmp_path, [[], *groups, IN_PROCESS])
    assert whole["told"] == []
    assert whole["found"]["3 GET /live/model/4 False"][0] == 200
    for names, outcome in zip([*groups, IN_PROCESS], lacking, strict=True):
        assert outcome["found"] == whole["found"], names
        assert all(any(".".join(name) in line for line in outcome["told"]) for name in names), outcome["told"]
        assert len(outcome["told"]) <= 2  # of applications, and of builds


def _without_coverage() -> dict[str, str]:
    """The environment of a process that isn't measured: coverage.py and what hides names both take part in imports."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def command(project: Path, hidden: Sequence[Name], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "millpond", *arguments],
        cwd=project,
        env={**_without_coverage(), **environment(hidden)},
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(project: Path, hidden: Sequence[Name], workers: int) -> Iterator[tuple[httpx2.Client, list[str]]]:
    """`millpond start`, and what it logs; it must end well."""
    lines: list[str] = []
    with command(project, hidden, "start", "--port", "0", "--workers", str(workers)) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                lines.append(line)
                if found := re.search(r"http://[0-9.]+:\d+", line):
                    with httpx2.Client(base_url=found[0], trust_env=False, timeout=SECONDS) as client:
                        yield client, lines
                    break
        finally:
            process.send_signal(signal.SIGTERM)
            lines += process.stderr  # not `communicate()`: what was read ahead of the last line is here
            process.wait(SECONDS)
    assert process.returncode == 0, lines


def test_a_server_answers_the_same_without_anything_private(tmp_path: Path) -> None:
    for name, text in whole_product.FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf-8")
    everything = [*IN_PROCESS, *OF_SERVER]
    with command(tmp_path, everything, "build") as building:
        assert building.wait(SECONDS) == 0
    told = []
    for hidden, workers in (([], 1), (everything, 2)):
        with serving(tmp_path, hidden, workers) as (client, lines):
            told.append([shown(client.request(method, path, **options)) for method, path, options in REQUESTS])
    assert told[0] == told[1]
    assert [answer[0] for answer in told[0]] == [200, 200, 200, 422, 410]
    assert any("uvicorn" in line and "hits go through ASGI" in line for line in lines), lines
    assert any("uvicorn.Server.startup is missing" in line for line in lines)


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/static", {}),
    ("GET", "/fresh/oak", {}),
    ("GET", "/live/model/4", {}),
    ("GET", "/live/model/x", {}),
    ("POST", "/live/refused", {"content": b"body"}),
]


def shown(answer: httpx2.Response) -> Any:
    of_now = ("date", "age", "cache-status")
    headers = sorted(pair for pair in answer.headers.multi_items() if pair[0] not in of_now)
    return answer.status_code, headers, answer.text


def unknown(name: PrivateName, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the name is missing."""
    monkeypatch.setitem(vars(name), "problem", f"{name} is missing")


def test_a_pictex_of_other_insides_draws_and_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unknown(pictex_memory.NODES, monkeypatch)
    monkeypatch.setattr(pictex_memory, "_replace", lambda: pytest.fail("it isn't known"))
    pictex_memory.install.cache_clear()
    with caplog.at_level(logging.WARNING):
        pictex_memory.install()
    pictex_memory.install.cache_clear()
    assert "pictex.layout.layout_engine.LayoutEngine._node_map is missing (about a megabyte" in caplog.text


def test_another_version_of_pictex_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import pictex

    monkeypatch.setattr(pictex, "__version__", "3.0.0")
    monkeypatch.setattr(pictex_memory, "_replace", lambda: pytest.fail("it isn't known"))
    pictex_memory.install.cache_clear()
    with caplog.at_level(logging.WARNING):
        pictex_memory.install()
    pictex_memory.install.cache_clear()
    assert "pictex 3.0.0 isn't a version that Millpond knows: about a megabyte" in caplog.text


def test_another_way_of_pythons_with_cookies_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown(cookie_names.UNQUOTE, monkeypatch)
    former = vars(http.cookies).get("_unquote")
    cookie_names.replace_unquote(lambda value: value)
    assert vars(http.cookies).get("_unquote") is former


def test_what_is_not_as_it_is_known_is_told_once_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    names = [
        PrivateName("fastapi.routing", "no_such_name", "this is slow"),
        PrivateName("no_such_package", "name", "that is slow"),
        PrivateName("fastapi.routing", "serialize_response", "it fails", keywords=("other",)),
        PrivateName("starlette.applications", "Starlette.nothing", "all is slow", sample=asyncio.Queue),
        NoName("starlette.requests", "HTTPConnection.url", "requests are slow", sample=lambda: httpx2.URL),
        NoName("asyncio", "Queue.get", "queues are slow", sample=lambda: asyncio.Queue),
        PrivateName("fastapi", "FastAPI", "never said"),
    ]
    with caplog.at_level(logging.WARNING):
        tell_unknown(names)
        tell_unknown(names)
    private_name._logged.difference_update(names)
    (record,) = caplog.records
    told = record.getMessage()
    assert "Millpond doesn't know the private names of fastapi 0." in told
    for part in (
        "fastapi.routing.no_such_name is missing (this is slow)",
        "no_such_package.name is missing (that is slow)",
        "fastapi.routing.serialize_response takes other arguments (it fails)",
        "starlette.applications.Starlette.nothing is missing (all is slow)",
        "asyncio.Queue.get is there (queues are slow)",
    ):
        assert part in told
    assert "never said" not in told
    assert "requests are slow" not in told


def test_a_package_that_fails_when_it_is_looked_into_isnt_known() -> None:
    def fails() -> object:
        raise RuntimeError("no")

    assert PrivateName("asyncio", "Queue.get", "", sample=fails).problem == "asyncio.Queue.get: RuntimeError('no')"
