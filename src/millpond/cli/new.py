"""millpond new"""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - the annotation is read at run time
from typing import Annotated

from cyclopts import Parameter

from millpond.cli.console import output
from millpond.errors import CommandError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def new(name: Annotated[Path, Parameter(help="The folder to create; the project gets its name.")], /) -> int:
    """Create a small working project."""
    folder = name.absolute()
    if not _NAME.fullmatch(folder.name):
        raise CommandError(
            f'"{folder.name}" can\'t be a project\'s name; use letters, digits, ".", "_" and "-", and begin with a '
            "letter or a digit."
        )
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandError(f"{folder} exists and isn't an empty folder; choose another name.")
        _write(folder)
    except OSError as error:
        raise CommandError(f"{error.filename or folder} can't be written: {error.strerror}.") from error
    console = output()
    console.print(f"{name} is ready. Try:\n\n    cd {name}\n    millpond dev", soft_wrap=True)
    return 0


def _write(folder: Path) -> None:
    for file, text in _FILES.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("PROJECT", folder.name), "utf-8")


_FILES = {
    "millpond.toml": """\
compat = "16"
""",
    "app/route.py": '''\
"""/: static. It is rendered at build, and everybody gets the same answer."""

dynamic = "force-static"


def GET():
    return {"project": "PROJECT", "try": ["/hello/world", "/hello/you"]}
''',
    "app/hello/[name]/route.py": '''\
"""/hello/world is rendered at build, other names at their first request. After a minute the answer goes stale."""

from datetime import datetime

revalidate = 60


def generate_static_params():
    return [{"name": "world"}]


def GET(name: str):
    return {"hello": name, "rendered": datetime.now().isoformat(timespec="seconds")}
''',
    ".gitignore": """\
.millpond/
.venv/
__pycache__/
""",
    "README.md": """\
# PROJECT

    millpond dev      # development: answers aren't cached, and changes reload

    millpond build    # renders static answers, and says what each route is and why
    millpond start    # serves the build

`app/` holds the routes: `app/hello/[name]/route.py` answers `/hello/world`.
""",
}
