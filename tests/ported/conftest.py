"""Applications of others: each test runs with FastAPI, and with Millpond in its place."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from millpond import Millpond

Constructor = Callable[..., FastAPI]
OF_THE_CACHE = ("response_tags", "revalidate_tag", "revalidate_path")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without route files and without a configuration."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=[FastAPI, Millpond], ids=["fastapi", "millpond"])
def constructor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Constructor:
    """The class. Of a port, FastAPI runs everything but the calls that speak to a cache: it has none."""
    chosen: Constructor = request.param
    if chosen is FastAPI:
        for name, module in list(sys.modules.items()):
            for call in OF_THE_CACHE:
                if name.startswith(("ported.conduit.", "ported.stac.")) and hasattr(module, call):
                    monkeypatch.setattr(module, call, lambda *_args, **_options: None)
    return chosen
