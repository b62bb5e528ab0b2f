"""What docs/deploy.md shows besides code: the unit, the Containerfile, and the arithmetic."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from documents import blocks
from millpond_process import COMMAND

from millpond.cli import run
from millpond.config import ServerConfig
from millpond.serve.processes.workers import GRACE

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy.md"
VERIFY = shutil.which("systemd-analyze")


def block(kind: str) -> str:
    return next(block.text for block in blocks(DEPLOY) if block.kind == kind)


@pytest.mark.skipif(VERIFY is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    assert VERIFY is not None
    unit = tmp_path / "shop.service"
    unit.write_text(block("ini").replace("/srv/shop/.venv/bin/millpond", str(COMMAND)), "utf-8")
    done = subprocess.run([VERIFY, "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_waits_for_longer_than_a_shutdown_takes() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", block("ini"), re.MULTILINE)
    assert found is not None
    assert int(found[1]) > ServerConfig().shutdown_timeout + GRACE


@pytest.mark.parametrize("kind", ["ini", "dockerfile"])
def test_the_commands_have_the_options_that_are_shown(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = set(re.findall(r"--(?:host|port|workers|proxy-headers|[a-z]+-format)\b", block(kind)))
    assert {"--host", "--port", "--workers"} <= options
    assert run(["start", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [option for option in sorted(options) if option not in shown] == []


def test_the_containerfile_copies_from_stages_that_it_has() -> None:
    text = block("dockerfile")
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
    assert set(re.findall(r"--from=(\w+)", text)) == stages
    words = {line.split()[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert words == {"FROM", "WORKDIR", "RUN", "COPY", "USER", "EXPOSE", "CMD"}


def test_the_sizing_table_is_what_its_formula_gives() -> None:
    said = re.search(r"^With (\d+) µs and (\d+) µs, and cores", DEPLOY.read_text("utf-8"), re.MULTILINE)
    assert said is not None
    hit, live, busy_at_most, answer = int(said[1]) * 1e-6, int(said[2]) * 1e-6, 0.6, 1500
    rows = re.findall(
        r"^\| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \|$", DEPLOY.read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) == 4
    for requests, *cores, gigabits in rows:
        number = int(requests.replace(",", ""))
        busy = [number * (hits * hit + (1 - hits) * live) for hits in (1, 0.95, 0.8)]
        assert [int(each) for each in cores] == [math.ceil(round(each / busy_at_most, 6)) for each in busy]
        assert float(gigabits) == pytest.approx(number * answer * 8 / 1e9)
