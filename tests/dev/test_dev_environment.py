"""What surrounds `millpond dev`: `.env` files, variables, TLS and Unix sockets."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import trustme
from dev_server import SECONDS, developing

if TYPE_CHECKING:
    import pytest

    from ponds import Project

MAIN = """\
import os

from fastapi import Request

from millpond import Millpond

app = Millpond(title=os.environ["MP_TITLE"])


@app.get("/facts")
def facts(request: Request):
    return {"title": app.title, "scheme": request.scope["scheme"]}
"""


def test_a_change_of_an_env_file_reloads(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MP_TITLE", raising=False)
    monkeypatch.setenv("MP_OTHER", "environment")
    project.write({"main.py": MAIN, ".env": "MP_TITLE=first\nMP_OTHER=file\n"})
    with developing(project) as dev:
        assert dev.until(lambda answer: answer.status_code == 200, "/facts").json()["title"] == "first"
        project.write({".env.local": "MP_TITLE=${MP_OTHER}\nwrong\n"})
        dev.until(lambda answer: answer.json()["title"] == "environment", "/facts")
        (project.folder / ".env.local").unlink()
        dev.until(lambda answer: answer.json()["title"] == "first", "/facts")
        (project.folder / ".env").write_bytes(b"MP_TITLE=\xff\n")
        assert ".env:1: this isn't UTF-8" in dev.until(lambda answer: answer.status_code == 500, "/facts").text
        (project.folder / ".env").unlink()
        dev.until(lambda answer: "KeyError" in answer.text, "/facts")
        said = dev.stop()
    assert ".env.local changed: reloading" in said
    assert '.env.local:2: there is no "=" here' in said


def test_https_at_a_unix_socket(project: Project, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued, files = authority.issue_cert("localhost"), [tmp_path / "cert.pem", tmp_path / "key.pem"]
    issued.cert_chain_pems[0].write_to_path(files[0])
    issued.private_key_pem.write_to_path(files[1])
    context = ssl.create_default_context()
    authority.configure_trust(context)
    project.write({"main.py": MAIN, ".env": "MP_TITLE=first\n"})
    with tempfile.TemporaryDirectory(prefix="mp-") as folder:
        path = Path(folder) / "dev.sock"
        options = ["--uds", str(path), "--ssl-certfile", str(files[0]), "--ssl-keyfile", str(files[1])]
        process = subprocess.Popen(
            [sys.executable, "-m", "millpond", "dev", "--dir", str(project.folder), *options],
            env={name: value for name, value in os.environ.items() if name != "MP_TITLE"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith(f"unix:{path} (TLS)")
            transport = httpx2.HTTPTransport(uds=str(path), verify=context)
            with httpx2.Client(transport=transport, base_url="https://localhost", timeout=SECONDS) as client:
                assert client.get("/facts").json() == {"title": "first", "scheme": "https"}
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SECONDS)
            assert process.returncode == 0
            assert not path.exists()
        finally:
            process.kill()
            process.communicate()


def test_a_port_that_makes_no_sense_is_one_line(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "millpond", "dev", "--dir", str(project.folder)],
        env={**os.environ, "PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 1
    assert done.stderr == (
        'error: the environment variable PORT is "eighty"; it must be a number from 0 to 65535. --port comes before '
        "it.\n"
    )
