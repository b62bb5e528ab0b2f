"""What is taken for granted of uvicorn holds for the one that is installed, and is noticed where it doesn't."""

from __future__ import annotations

import importlib
import inspect
import logging
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from millpond.config import ServerConfig
from millpond.internals.uvicorn_names import _METHODS, differences
from millpond.serve.connection.bounded import BoundedProtocol
from millpond.serve.connection.protocol import HitProtocol
from millpond.serve.processes import server

if TYPE_CHECKING:
    from collections.abc import Callable

HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"

READ = {
    "HttpToolsProtocol": "18fdf324b11bf160",
    "RequestResponseCycle": "e67d470d435dcc1c",
    "FlowControl": "126debcdaa894c83",
}
"""How the digest of the source of each begins that was read for the protocols here."""


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[str], Any]:
    """A loader of modules that changes one."""

    def load(module: str) -> Any:
        loaded = importlib.import_module(module)
        return change(SimpleNamespace(**vars(loaded))) if module == name else loaded

    return load


def with_protocol(**members: Any) -> Callable[[Any], Any]:
    def change(module: Any) -> Any:
        module.HttpToolsProtocol = type("HttpToolsProtocol", (HttpToolsProtocol,), members)
        return module

    return change


def test_the_installed_uvicorn_is_what_is_taken_for_granted() -> None:
    assert list(differences()) == []


@pytest.mark.parametrize("kind", [HttpToolsProtocol, RequestResponseCycle, FlowControl])
def test_the_source_that_was_read_is_the_one_that_runs(kind: type[Any]) -> None:
    digest = sha256(inspect.getsource(kind).encode()).hexdigest()[:16]
    assert digest == READ[kind.__name__], (
        f"{kind.__name__} of uvicorn {uvicorn.__version__} isn't the one that was read: compare "
        f"{inspect.getsourcefile(kind)} with that of uvicorn 0.54.0. Look at what BoundedProtocol, HitProtocol and "
        "Flow (src/millpond/serve/connection) override and call; run tests/serve and `make soak`; then write "
        f'"{digest}" into READ.'
    )


def no_status_lines(module: Any) -> Any:
    del module.STATUS_LINE
    return module


def test_what_was_renamed_taken_away_or_added_is_noticed() -> None:
    def other_arguments(self: Any, url: bytes, more: int) -> None: ...
    def prepares_more(self: Any) -> None:
        self.url = self.headers = self.expect_100_continue = self.scope = self.trailers = None

    def initialises_less(self: Any, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None: ...

    cases: dict[str, Callable[[Any], Any]] = {
        "on_header is missing": with_protocol(on_header=None),
        "on_body takes other arguments": with_protocol(on_body=other_arguments),
        "on_message_begin sets trailers": with_protocol(on_message_begin=prepares_more),
        "sets no pipeline": with_protocol(__init__=initialises_less),
        "STATUS_LINE": no_status_lines,
    }
    for message, change in cases.items():
        assert any(message in each for each in differences(changed(HTTPTOOLS, change))), message


def test_a_module_that_is_gone_is_noticed() -> None:
    def load(name: str) -> Any:
        raise ModuleNotFoundError(f"no module named {name}")

    assert list(differences(load)) == [f"no module named {HTTPTOOLS}"]


def test_with_an_unknown_uvicorn_everything_goes_through_asgi_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "differences", lambda: iter(["HttpToolsProtocol.on_url is missing", "more"]))
    with caplog.at_level(logging.WARNING):
        assert server.protocol_for(ServerConfig(), None) == "auto"
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"uvicorn {uvicorn.__version__} isn't a version that Millpond knows (HttpToolsProtocol.on_url is missing)"
    ]


def test_each_method_that_is_overridden_is_looked_for() -> None:
    overridden = {
        name
        for kind in (BoundedProtocol, HitProtocol)
        for name in vars(kind)
        if callable(getattr(HttpToolsProtocol, name, None)) and not name.startswith("__")
    }
    assert overridden <= set(_METHODS)


def test_another_flow_control_is_noticed() -> None:
    def without_pause(module: Any) -> Any:
        module.FlowControl = type("FlowControl", (module.FlowControl,), {"pause_reading": None})
        return module

    assert "FlowControl.pause_reading is missing" in list(
        differences(changed("uvicorn.protocols.http.flow_control", without_pause))
    )
