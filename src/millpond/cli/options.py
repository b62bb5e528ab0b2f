"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

Dir = Annotated[Path, Parameter(name="--dir", help="The project's folder: the one with app/ in it.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, and nothing else, on stdout.")]
Host = Annotated[str, Parameter(name="--host", help="The name or address to listen on; 0.0.0.0 for all of IPv4.")]
Port = Annotated[
    int, Parameter(name="--port", help="The port to listen on; 0 for any free one.", validator=Number(gte=0, lte=65535))
]

HERE = Path()
LOCALHOST = "127.0.0.1"
PORT = 8000
