"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

Dir = Annotated[Path, Parameter(name="--dir", help="The project's folder: the one that contains app/.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print only JSON on stdout.")]
Host = Annotated[
    str, Parameter(name="--host", help="The host name or address to listen on; 0.0.0.0 for all IPv4 addresses.")
]
Port = Annotated[
    int, Parameter(name="--port", help="The port to listen on; 0 for any free one.", validator=Number(gte=0, lte=65535))
]

HERE = Path()
LOCALHOST = "127.0.0.1"
PORT = 8000
