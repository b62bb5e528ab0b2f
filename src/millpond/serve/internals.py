"""What the protocols here take for granted of uvicorn, which promises none of it. A test pins it, too."""

from __future__ import annotations

import dis
import importlib
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
"""All that `on_message_begin` sets: what a hit leaves out is done later, in one piece."""


def differences(load: Callable[[str], Any] = importlib.import_module) -> Iterator[str]:
    """In what uvicorn isn't what is known of it; nothing when all is well.

    Args:
        load: gives a module by its name.
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
