"""uvicorn's HTTP protocol. To be imported only where `uvicorn_names.differences` finds nothing."""

from __future__ import annotations

from uvicorn.protocols.http.flow_control import FlowControl as FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE as STATUS_LINE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as HttpToolsProtocol
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle as RequestResponseCycle
