"""Bioregistry, a public FastAPI service, as a Millpond: `python bench/ported_bioregistry.py [FOLDER]`; minutes.

Installs the package and its tests from its index, and changes nothing of it: its tests run with FastAPI, with Millpond
in the place of the constructor, and with `@static` on six of its endpoints, too. What passes with FastAPI must pass.
Then the six are asked beside a twin of FastAPI's: the same answers, and hits. A Flask application is mounted at "/",
one of the six has two parameters in one segment (`{prefix}:{identifier:path}`), two read a declared query.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.12.0"
"""The last minor version whose source distribution has the tests of its web application."""
CHECKOUT = Path(__file__).parents[1]
HERE = "ported_bioregistry_plugin"
WAYS = ("fastapi", "millpond", "static")

PLUGIN = '''
"""Loaded before the tests import the application."""

import os

import bioregistry.app.impl as impl
from bioregistry.app import api

from millpond import Millpond, static

WAY = os.environ["PORTED_AS"]
if WAY != "fastapi":
    impl.FastAPI = Millpond
if WAY == "static":
    static(revalidate=3600)(api.get_context)
    static(revalidate=3600)(api.get_contributor)
    static(revalidate=3600, params=[{"prefix": "chebi", "identifier": "24867"}])(api.get_reference)
    static(revalidate=3600)(api.get_metaresource_external_mappings)
    static(revalidate=3600, cache_query=("q",))(api.search)
    static(revalidate=3600, cache_query=("q",))(api.autocomplete)
'''

ASK = f"""
import json, os, sys
os.environ["PORTED_AS"] = sys.argv[1]
import {HERE}
from bioregistry.app.impl import get_app
from starlette.testclient import TestClient

app = get_app()
with TestClient(app, follow_redirects=False) as client:
    answers = []
    for path in json.loads(sys.argv[2]):
        for _ in range(2):
            answer = client.get(path)
            state = answer.headers.get("x-nextjs-cache")
            answers.append([path, answer.status_code, answer.headers.get("content-type"), answer.text, state])
print(json.dumps(answers))
"""

KEPT = [
    "/api/context/obo",
    "/api/contributor/0000-0003-4423-4370",
    "/api/reference/chebi:24867",
    "/api/reference/ctri:CTRI/2023/04/052053",
    "/api/metaregistry/obofoundry/mapping/bioportal",
    "/api/search?q=che",
    "/api/autocomplete?q=chebi:123",
    "/api/context/no-such",
]
"""Paths of the six; the last one's 404 is kept, too."""
MADE = [
    "/api/search",
    "/api/collection/0000001",
    "/api/collection/0000001?format=yaml",
    "/api/registry/chebi",
    "/api/context/",
    "/registry/chebi",
    "/chebi:24867",
    "/no/such/page",
]
"""Paths that are made for each request: refused input, content that is negotiated, and Flask's pages."""


def bioregistry(folder: Path) -> tuple[str, list[str]]:
    """Figures, and the promises that were broken."""
    python = _installed(folder)
    tests = _with_tests(folder, python)
    outcomes = {way: _tested(way, tests, python) for way in WAYS}
    broken = [
        f"{name} passes with FastAPI and not as {way}"
        for way in WAYS[1:]
        for name in sorted(outcomes["fastapi"] - outcomes[way])
    ]
    if not outcomes["fastapi"]:
        broken.append("no test passes with FastAPI")
    broken += _asked(tests, python)
    passed = ", ".join(f"{len(outcomes[way])} as {way}" for way in WAYS)
    return f"bioregistry {VERSION}: tests that pass: {passed}; {len(KEPT)} paths kept", broken


def _installed(folder: Path) -> str:
    """The Python of a virtual environment with the package and with this checkout."""
    _run(sys.executable, "-m", "venv", str(folder / "venv"))
    python = str(folder / "venv" / "bin" / "python")
    wanted = [f"bioregistry[web]=={VERSION}", "pytest", "--editable", str(CHECKOUT)]
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
    return python


def _with_tests(folder: Path, python: str) -> Path:
    """The folder of the package's source distribution."""
    download = ["download", "--quiet", "--no-deps", "--no-binary", "bioregistry", "--dest", str(folder)]
    _run(python, "-m", "pip", *download, f"bioregistry=={VERSION}")
    with tarfile.open(folder / f"bioregistry-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / f"bioregistry-{VERSION}"
    (unpacked / f"{HERE}.py").write_text(PLUGIN, "utf-8")
    return unpacked


def _tested(way: str, tests: Path, python: str) -> set[str]:
    """The tests that pass."""
    options = ["-p", HERE, "-p", "no:cacheprovider", "-q", "-rA", "--tb=no"]
    done = _run(python, "-m", "pytest", *options, "tests/test_web", tests=tests, way=way, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests didn't run as {way}:\n{done.stdout[-2000:]}")
    return set(re.findall(r"^PASSED (\S+)", done.stdout, re.MULTILINE))


def _asked(tests: Path, python: str) -> list[str]:
    """What the six answer, each path twice, beside a twin of FastAPI's."""
    twins = {}
    for way in ("fastapi", "static"):
        done = _run(python, "-c", ASK, way, json.dumps(KEPT + MADE), tests=tests, way=way)
        twins[way] = json.loads(done.stdout.splitlines()[-1])
    broken = []
    for number, (plain, kept) in enumerate(zip(twins["fastapi"], twins["static"], strict=True)):
        path, *same, state = kept
        if plain[1:-1] != same:
            broken.append(f"{path}: {same} instead of {plain[1:-1]}")
        if (state == "HIT") is not (path in KEPT and number % 2 == 1):
            broken.append(f"{path}: {state}, when it was asked {('first', 'again')[number % 2]}")
    return broken


def _run(
    *command: str, tests: Path | None = None, way: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; sets keep the order that they have in every process."""
    here = {} if tests is None else {"PYTHONPATH": str(tests), "PORTED_AS": way, "PYTHONHASHSEED": "0"}
    return subprocess.run(  # noqa: S603 - written above
        command, cwd=tests, env={**os.environ, **here}, stdout=subprocess.PIPE, text=True, check=check
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else Path(scratch)
        folder.mkdir(exist_ok=True)
        figures, broken = bioregistry(folder)
    print(figures)  # noqa: T201 - a command
    for each in broken:
        print(f"BROKEN  {each[:1000]}")  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
