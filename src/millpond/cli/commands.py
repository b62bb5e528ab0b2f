"""The commands and their common options."""

from __future__ import annotations

from cyclopts import App

import millpond

app = App(
    name="millpond",
    help="Route handlers with a caching model: static, fresh or live, and the build says why.",
    version=lambda: f"millpond {millpond.__version__}",
    version_flags=["--version"],
    help_format="plaintext",
    suppress_keyboard_interrupt=False,  # it would end the process here, where threads may be left behind
)

_COMMANDS = {
    "new": "Make a small project that works.",
    "dev": "Serve while you write: answers aren't cached, and a change reloads.",
    "build": "Prerender what can be rendered for everybody, and say for each route what it is and why.",
    "start": "Answer from the build.",
    "routes": "List the routes.",
    "explain": "Say what a path gets, and why.",
    "cache": "Look at what is stored, and drop it.",
    "cron": "List the crons with their last runs, or run one now.",
    "revalidate": "Invalidate tags and paths: what is older is rendered again.",
}

for _name, _help in _COMMANDS.items():
    app.command(f"millpond.cli.{_name}:{_name}", name=_name, help=_help, sort_key=list(_COMMANDS).index(_name))
