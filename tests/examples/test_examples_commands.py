"""docs/reference.md and the command line: its commands, their options and defaults, what they print, how they end."""

from __future__ import annotations

import json
import logging
import re
import signal
from typing import TYPE_CHECKING, NamedTuple

import pytest
from document_tables import DOCUMENTS, REFERENCE, codes, name_of, prose, section, table

from millpond.cli import FAILED, INTERRUPTED, MISUSED, run
from millpond.cli.terminal.commands import app as command_line
from millpond.stores.lmdb.inspection import LmdbStats
from millpond.stores.valkey.inspection import ValkeyStats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyclopts import App
    from cyclopts.argument import Argument

ROUTE = 'dynamic = "force-static"\n\n\ndef GET():\n    return 1\n'
CRON = 'dynamic = "force-dynamic"\n\n\ndef GET():\n    return 1\n'
CONFIG = '[[cron]]\npath = "/cron"\nschedule = "0 0 1 1 *"\n'
A_COMMAND = re.compile(r"\bmillpond ((?:cache |cron )?[a-z]+)([^#|`&]*)")
AN_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


class Command(NamedTuple):
    """A command of the real command line."""

    name: str
    usage: str
    """Its name with its arguments; those in brackets may be left out."""
    options: dict[str, str | None]
    """Each option's name, with its default; None where leaving it out means something else than a value."""


def commands(app: App = command_line, prefix: tuple[str, ...] = ()) -> Iterator[Command]:
    for name in app:
        if name.startswith("-"):
            continue
        inner = app[name]
        if any(not below.startswith("-") for below in inner):
            yield from commands(inner, (*prefix, name))
            continue
        taken = inner.assemble_argument_collection(parse_docstring=False)
        options = {name: default_of(each, name) for each in taken for name in each.names if name.startswith("--")}
        whole = " ".join(("millpond", *prefix, name))
        positional = [each.name for each in taken if each.name != "*" and not each.name.startswith("--")]
        usage = (inner.usage or "").removeprefix("Usage: ").replace(" [OPTIONS]", "") or " ".join((whole, *positional))
        yield Command(whole.removeprefix("millpond "), usage, options)


def default_of(option: Argument, name: str) -> str | None:
    """As `--help` says it; a switch that is off has none, and of a pair of switches it is the one that is on."""
    default = option.field_info.default
    if isinstance(default, bool):
        on = next(each for each in option.names if each not in option.negatives)
        return on if default else None
    told = re.search(r"\[default: (.+?)\]", option.parameter.help or "")
    return told[1] if told else None if default is None else str(default)


COMMANDS = {command.name: command for command in commands()}


def documented_options() -> Iterator[tuple[str, str, str | None]]:
    """(command, option, default), from the table of options."""
    for names, of, default, _ in table(REFERENCE, "Commands", "option"):
        named = set(codes(of))
        assert named <= set(COMMANDS), of
        for command in sorted(set(COMMANDS) - named if of.startswith("all but ") else named):
            for name in codes(names):
                yield command, name.split()[0], next(iter(codes(default)), None)


def test_the_reference_lists_every_command_with_its_arguments() -> None:
    listed = [span for row in table(REFERENCE, "Commands", "command") for span in codes(row[0])]
    assert sorted(listed) == sorted(each.usage for each in COMMANDS.values())


def test_the_reference_lists_every_option_with_its_command_and_default() -> None:
    listed = sorted(documented_options(), key=str)
    real = [(each.name, option, default) for each in COMMANDS.values() for option, default in each.options.items()]
    assert listed == sorted(real, key=str)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_documents_have_the_options_that_are_shown(document: Path) -> None:
    lines = [*document.read_text("utf-8").splitlines(), *codes(prose(document))]
    shown = [found for line in lines for found in A_COMMAND.findall(line) if found[0] in COMMANDS]
    wrong = [
        f"{command} {option}"
        for command, rest in shown
        for option in AN_OPTION.findall(rest)
        if option not in COMMANDS[command].options
    ]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_an_option_that_a_document_names_alone_is_one_of_some_command(document: Path) -> None:
    named = [span.split()[0].split("=")[0] for span in codes(prose(document)) if AN_OPTION.match(span)]
    known = {option for each in COMMANDS.values() for option in each.options}
    assert sorted(set(named) - known) == []


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Built, and with a store that has the build's answers and the record of a run."""
    for file, text in {"app/route.py": ROUTE, "app/cron/route.py": CRON, "millpond.toml": CONFIG}.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, "utf-8")
    assert [printed(tmp_path, capsys, *command)[0] for command in (["build"], ["cron run", "/cron"])] == [0, 0]
    return tmp_path


def printed(project: Path, capsys: pytest.CaptureFixture[str], command: str, *arguments: str) -> tuple[int, list[str]]:
    """What `command` ends with, and the names of the fields that it prints; logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        code = run([*command.split(), *arguments, "--dir", str(project), "--json"])
    finally:
        root.handlers[:], root.level = handlers, level
        logging.captureWarnings(False)
    facts = json.loads(capsys.readouterr().out)
    return code, sorted(facts["errors"][0] if "errors" in facts else facts)


def documented_fields() -> dict[str, list[str]]:
    return {codes(command)[0]: codes(fields) for command, fields in table(REFERENCE, "JSON output", "command")}


ARGUMENTS = {
    "cache purge": ["--tag", "none"],
    "cache show": ["/"],
    "cron run": ["/cron"],
    "explain": ["/"],
    "export": ["out", "--dry-run"],
    "refresh": ["--tag", "none"],
    "revalidate": ["--tag", "none"],
}
"""What commands can't do without."""


def test_each_command_prints_the_fields_that_the_reference_lists(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the reference, so that what is to be shown is there when it is asked for."""
    listed = documented_fields()
    engines = (LmdbStats._fields, ValkeyStats._fields)
    elsewhere = set(engines[1]) - set(engines[0])
    listed["cache stats"] = [name for name in listed["cache stats"] if name not in elsewhere]
    real = {command: printed(project, capsys, command, *ARGUMENTS.get(command, [])) for command in listed}
    assert real == {command: (0, sorted(fields)) for command, fields in listed.items()}


def test_the_reference_lists_the_fields_of_each_command_that_has_json() -> None:
    assert sorted(documented_fields()) == sorted(each.name for each in COMMANDS.values() if "--json" in each.options)
    shared = set(documented_fields()["cache stats"]) & set(ValkeyStats._fields)
    assert shared == set(ValkeyStats._fields)


def test_a_command_that_fails_prints_the_errors_that_the_reference_describes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = section(REFERENCE, "JSON output")
    said = codes(text[text.index("a list of") : text.index("; the message")])
    assert printed(project, capsys, "cache show", "/nothing") == (FAILED, sorted(said))


def test_the_reference_lists_every_exit_status() -> None:
    """What ends a command by which of them is in tests/cli."""
    twice = [128 + number for number in (signal.SIGINT, signal.SIGTERM)]
    listed = [int(row[0]) for row in table(REFERENCE, "Commands", "exit status")]
    assert listed == sorted({0, FAILED, MISUSED, INTERRUPTED, *twice})


def test_a_default_is_told_as_the_help_tells_it() -> None:
    start = COMMANDS["start"].options
    assert (start["--port"], start["--forwarded-allow-ips"], start["--log-format"]) == ("8000", "127.0.0.1,::1", None)
    assert (start["--access-log"], start["--no-access-log"]) == ("--access-log", "--access-log")
    assert start["--proxy-headers"] is None
