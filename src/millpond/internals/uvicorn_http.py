"""uvicorn's HTTP protocol. Import it only if `uvicorn_names.differences` finds none."""

from __future__ import annotations

from uvicorn.protocols.http.flow_control import FlowControl as FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE as STATUS_LINE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as HttpToolsProtocol
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle as RequestResponseCycle
