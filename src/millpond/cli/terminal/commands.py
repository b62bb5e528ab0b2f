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
    suppress_keyboard_interrupt=False,  # cyclopts would exit the process here, although threads may still run
)

_COMMANDS = {
    "new": "Create a small working project.",
    "dev": "Serve for development: answers aren't cached, and changes reload.",
    "build": "Prerender the static routes, and report each route's mode and the reason for it.",
    "start": "Serve the build.",
    "routes": "List the routes.",
    "explain": "Explain what a GET of a path returns, and why.",
    "advise": "Say what costs more than it gives, and what is at risk, with the line to change.",
    "export": "Write the static answers of the build as files, for object stores and servers of files.",
    "openapi": "Print the OpenAPI document, without a server.",
    "cache": "Inspect the cache, and drop entries.",
    "cron": "List the crons with their last runs, or run one now.",
    "revalidate": "Invalidate tags and paths: older entries are rendered again.",
    "refresh": "Render tags and paths again now: old answers stay until the new ones are there.",
    "warm": "Ask for the paths that visitors will ask for, so that they find stored answers.",
    "completion": "Print or install the completion of commands and options, for bash, zsh, fish or PowerShell.",
}

_ARGUMENTS = {
    **dict.fromkeys(("dev", "build", "start", "routes", "advise", "openapi"), "[MODULE:APP]"),
    "explain": "[MODULE:APP] PATH",
    "export": "DIR",
    "completion": "[SHELL]",
}
"""Where the application may be named without an option."""

_MODULES = {"completion": "shell.completion", "refresh": "warming.refresh_command"}
"""The modules of commands that aren't called as these."""

for _name, _help in _COMMANDS.items():
    _usage = {"usage": f"Usage: millpond {_name} [OPTIONS] {_ARGUMENTS[_name]}"} if _name in _ARGUMENTS else {}
    app.command(
        f"millpond.cli.{_MODULES.get(_name, _name)}:{_name}",
        name=_name,
        help=_help,
        sort_key=list(_COMMANDS).index(_name),
        **_usage,
    )

app.command(
    "millpond.cli.shell.completion:install_completion",
    name="--install-completion",
    help="Install the completion for this shell and exit.",
)
