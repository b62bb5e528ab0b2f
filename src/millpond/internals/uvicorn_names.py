"""The private names of uvicorn that Millpond uses, and the fallback without each."""

from __future__ import annotations

import dis
import importlib
import inspect
from typing import TYPE_CHECKING, Any

import uvicorn

from millpond.internals.private_name import PrivateName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from uvicorn.server import ServerState as ServerState

WITHOUT_PROTOCOL = (
    "hits go through ASGI, and of [server] only max_path_bytes, max_header_bytes of a whole head, keep_alive_timeout, "
    "shutdown_timeout, ready_path and drain_delay apply: put a proxy in front that limits what clients send"
)
"""Also logged by the server, where `differences` finds some."""
_QUIET = (
    "shutdown_timeout applies to requests and streams alike, drain_delay doesn't apply, a second signal doesn't exit "
    "at once, and running out of file descriptors isn't logged"
)


def _server() -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(_server, log_config=None))


PROTOCOL = (
    PrivateName("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol", WITHOUT_PROTOCOL),
    PrivateName("uvicorn.protocols.http.httptools_impl", "RequestResponseCycle", WITHOUT_PROTOCOL),
    PrivateName("uvicorn.protocols.http.httptools_impl", "STATUS_LINE", WITHOUT_PROTOCOL),
    PrivateName("uvicorn.protocols.http.flow_control", "FlowControl", WITHOUT_PROTOCOL),
    PrivateName("uvicorn.server", "ServerState", WITHOUT_PROTOCOL),
)
"""For hits at the socket, and limits on clients; `differences` checks their methods and attributes."""
SERVER = (
    PrivateName("uvicorn", "Server.startup", _QUIET, keywords=("sockets",), sample=_server),
    PrivateName("uvicorn", "Server.on_tick", _QUIET, positional=1, sample=_server),
    PrivateName("uvicorn", "Server.shutdown", _QUIET, keywords=("sockets",), sample=_server),
    PrivateName("uvicorn", "Server.handle_exit", _QUIET, positional=2, sample=_server),
    PrivateName("uvicorn", "Server.capture_signals", _QUIET, sample=_server),
    PrivateName("uvicorn", "Server.server_state", _QUIET, sample=_server),
    PrivateName("uvicorn", "Server.should_exit", _QUIET, sample=_server),
)
"""For a graceful shutdown without tracebacks."""

NAMES = (*PROTOCOL, *SERVER)

_METHODS = {
    "__init__": ["self", "config", "server_state", "app_state", "_loop"],
    "connection_lost": ["self", "exc"],
    "data_received": ["self", "data"],
    "on_body": ["self", "body"],
    "on_header": ["self", "name", "value"],
    "on_headers_complete": ["self"],
    "on_message_begin": ["self"],
    "on_message_complete": ["self"],
    "on_response_complete": ["self"],
    "on_url": ["self", "url"],
    "connection_made": ["self", "transport"],
    "handle_websocket_upgrade": ["self"],
    "shutdown": ["self"],
    "_should_upgrade": ["self"],
    "_start_asgi_task": ["self", "cycle", "app"],
}
_FLOW = {
    "pause_reading": ["self"],
    "resume_reading": ["self"],
}
_ATTRIBUTES = {
    "connections",
    "cycle",
    "expect_100_continue",
    "flow",
    "headers",
    "limit_concurrency",
    "loop",
    "parser",
    "pipeline",
    "scope",
    "server_state",
    "transport",
}
_CYCLE = {
    "chunked_encoding",
    "disconnected",
    "expected_content_length",
    "keep_alive",
    "message_event",
    "response_complete",
    "response_started",
    "scope",
    "transport",
    "waiting_for_100_continue",
}
_PREPARED = {"url", "headers", "expect_100_continue", "scope"}
"""All attributes that `on_message_begin` sets: a hit skips them, and they are set later, together."""


def differences(load: Callable[[str], Any] = importlib.import_module) -> Iterator[str]:
    """How uvicorn's protocol differs from the one that Millpond knows; empty if it doesn't.

    Args:
        load: imports a module by its name.
    """
    try:
        module, server = load("uvicorn.protocols.http.httptools_impl"), load("uvicorn.server")
        flow = load("uvicorn.protocols.http.flow_control")
        protocol, cycle = module.HttpToolsProtocol, module.RequestResponseCycle
        state, control, _ = server.ServerState, flow.FlowControl, module.STATUS_LINE[200]
    except (ImportError, AttributeError, LookupError, TypeError) as error:
        yield str(error)
        return
    for kind, methods in ((protocol, _METHODS), (control, _FLOW)):
        for name, parameters in methods.items():
            method = getattr(kind, name, None)
            if method is None:
                yield f"{kind.__name__}.{name} is missing"
            elif list(inspect.signature(method).parameters)[: len(parameters)] != parameters:
                yield f"{kind.__name__}.{name} takes other arguments"
    prepared = _stored(getattr(protocol, "on_message_begin", None))
    if prepared != _PREPARED:
        yield f"HttpToolsProtocol.on_message_begin sets {', '.join(sorted(prepared ^ _PREPARED))}"
    for kind, attributes in (
        (protocol, _ATTRIBUTES),
        (state, {"connections", "default_headers", "total_requests"}),
        (control, {"read_paused", "write_paused"}),
        (cycle, _CYCLE),
    ):
        for name in sorted(attributes - _stored(kind.__init__)):
            yield f"{kind.__name__} sets no {name}"


def _stored(function: Any) -> set[str]:
    """The attributes that a method sets."""
    if function is None:
        return set()
    return {step.argval for step in dis.get_instructions(function) if step.opname == "STORE_ATTR"}
