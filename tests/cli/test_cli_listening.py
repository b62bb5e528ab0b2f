"""Where `millpond start` listens: every way answers hits, live routes and WebSockets, and ends cleanly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme
from websockets.asyncio.client import connect, unix_connect

from cli_project import STATIC, call, execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ponds import Project

MAIN = """\
import asyncio

from fastapi import Request, WebSocket

from millpond import Millpond

app = Millpond()


@app.get("/live")
def live(request: Request):
    return {"scheme": request.scope["scheme"], "client": request.scope["client"], "url": str(request.url)}


@app.get("/slow")
async def slow():
    print("slow began", flush=True)
    await asyncio.sleep(1.0)
    return "done"


@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(f"{websocket.scope['scheme']} {await websocket.receive_text()}")
    await websocket.close()
"""


class Certificates:
    """Files with a certificate for this machine, and a context that trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1", "::1")
        self.cert, self.key, self.both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
        issued.cert_chain_pems[0].write_to_path(self.cert)
        issued.private_key_pem.write_to_path(self.key)
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)
        self.options = ["--ssl-certfile", str(self.cert), "--ssl-keyfile", str(self.key)]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Short: the path of a Unix socket has about a hundred characters at most."""
    with tempfile.TemporaryDirectory(prefix="mp-") as folder:
        yield Path(folder) / "shop.sock"


class Server:
    """A running `millpond start`."""

    def __init__(self, process: subprocess.Popen[str], place: str) -> None:
        self.process, self.place = process, place

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, said
        return said


@contextmanager
def started(
    project: Project, *options: str, pass_fds: tuple[int, ...] = (), environment: dict[str, str] | None = None
) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "millpond", "start", "--dir", str(project.folder), *options],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
        cwd=project.folder.parent,
    )
    assert process.stderr is not None
    try:
        line = ""
        for line in process.stderr:
            if '"serving ' in line:
                break
        message = json.loads(line)["message"]
        yield Server(process, message.partition(" on ")[2].partition(" with ")[0])
    finally:
        process.kill()
        process.communicate()


def asked(client: httpx2.Client) -> dict[str, Any]:
    """Ask for a hit twice and a live answer once; the live answer's body."""
    for _ in range(2):
        hit = client.get("/")
        assert (hit.status_code, hit.headers["x-nextjs-cache"], hit.json()) == (200, "HIT", {"hello": "world"})
    answer: dict[str, Any] = client.get("/live").json()
    return answer


def ended_during_a_request(server: Server, client: httpx2.Client) -> None:
    """A request that is under way when the server is told to end gets its whole answer."""
    answers: list[httpx2.Response] = []
    asking = threading.Thread(target=lambda: answers.append(client.get("/slow")))
    asking.start()
    assert server.process.stdout is not None
    assert "slow began" in server.process.stdout.readline()
    server.end()
    asking.join(10)
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, '"done"')]


async def echoed(connecting: Any) -> str:
    async with connecting as websocket:
        await websocket.send("hello")
        return str(await websocket.recv())


@pytest.fixture
def site(project: Project, capsys: pytest.CaptureFixture[str]) -> Project:
    project.routes({"/": STATIC})
    project.write({"main.py": MAIN})
    assert call(project.folder, capsys, "build", "--dir", str(project.folder)).code == 0
    return project


@pytest.mark.parametrize("workers", ["1", "2"])
def test_https(site: Project, certificates: Certificates, workers: str) -> None:
    with (
        started(site, "--port", "0", "--workers", workers, *certificates.options) as server,
        httpx2.Client(base_url=server.place, verify=certificates.context, trust_env=False) as client,
    ):
        assert server.place.startswith("https://127.0.0.1:")
        answer = asked(client)
        assert (answer["scheme"], answer["url"]) == ("https", f"{server.place}/live")
        url = f"{server.place.replace('https', 'wss')}/echo"
        assert asyncio.run(echoed(connect(url, ssl=certificates.context, proxy=None))) == "wss hello"
        ended_during_a_request(server, client)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_unix_socket(site: Project, socket_path: Path, workers: str) -> None:
    with (
        started(site, "--uds", str(socket_path), "--workers", workers, "--proxy-headers") as server,
        httpx2.Client(
            transport=httpx2.HTTPTransport(uds=str(socket_path)), base_url="http://shop.example", trust_env=False
        ) as client,
    ):
        assert server.place == f"unix:{socket_path}"
        assert socket_path.stat().st_mode & 0o777 == 0o666
        assert asked(client) == {"scheme": "http", "client": None, "url": "http://shop.example/live"}
        # What connects here runs on this machine, so it is one of its proxies.
        proxied = client.get("/live", headers={"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}).json()
        assert (proxied["client"][0], proxied["scheme"]) == ("203.0.113.7", "https")
        assert asyncio.run(echoed(unix_connect(str(socket_path), "ws://shop.example/echo"))) == "ws hello"
        second = execute("start", "--dir", str(site.folder), "--uds", str(socket_path))
        assert second.code == 1
        assert f"can't listen on the Unix socket {socket_path}: another process does" in second.err
        assert asked(client)["scheme"] == "http"
        ended_during_a_request(server, client)
    assert not socket_path.exists()


def test_the_file_of_a_server_that_was_killed_is_replaced(site: Project, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path))
    with started(site, "--uds", str(socket_path)) as server:
        transport = httpx2.HTTPTransport(uds=str(socket_path))
        with httpx2.Client(transport=transport, base_url="http://a", trust_env=False) as client:
            asked(client)
        server.end()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_socket_that_the_parent_process_has_opened(site: Project, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        address = f"http://127.0.0.1:{opened.getsockname()[1]}"
        descriptor = str(opened.fileno())
        with (
            started(site, "--fd", descriptor, "--workers", workers, pass_fds=(opened.fileno(),)) as server,
            httpx2.Client(base_url=address, trust_env=False) as client,
        ):
            assert server.place == address
            assert asked(client)["client"][0] == "127.0.0.1"
            server.end()


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6(site: Project, host: str) -> None:
    with (
        started(site, "--host", host, "--port", "0") as server,
        httpx2.Client(base_url=server.place, trust_env=False) as client,
    ):
        assert server.place.startswith("http://[::1]:")
        assert asked(client)["client"][0] == "::1"


@pytest.mark.parametrize("file", ["environment", ".env"])
def test_port_and_host_come_from_the_environment(site: Project, file: str) -> None:
    variables = {"PORT": "0", "HOST": "localhost"}
    if file == ".env":
        site.write({".env": "PORT=0\nHOST=localhost\n"})
        variables = {}
    with started(site, "--host", "127.0.0.1", environment=variables) as server:  # the option comes first
        assert server.place.startswith("http://127.0.0.1:")
        assert not server.place.endswith(":8000")


REFUSED: list[tuple[list[str], dict[str, str], str]] = [
    ([], {"PORT": "web"}, 'the environment variable PORT is "web"; it must be a number from 0 to 65535.'),
    ([], {"PORT": "65536"}, 'PORT is "65536"; it must be'),
    ([], {"PORT": "tcp://10.0.0.1:80"}, 'PORT is "tcp://10.0.0.1:80"; it must be'),
    ([], {"PORT": "0", "HOST": "no.such.invalid"}, "(By the environment: HOST and PORT.)"),
    (["--uds", "a", "--port", "1"], {}, "give one place to listen: --host and --port, or --uds, or --fd."),
    (["--uds", "a", "--fd", "3"], {}, "give one place to listen"),
    (["--fd", "77"], {}, "file descriptor 77 can't be used: bad file descriptor"),
    (["--fd", "2"], {}, "file descriptor 2 can't be used: socket operation on non-socket"),
    (["--uds", "{folder}"], {}, "is there, and isn't a socket; remove it, or give another --uds."),
    (
        ["--uds", "/nowhere/a.sock"],
        {},
        "the Unix socket /nowhere/a.sock: no such file or directory",
    ),
    (["--uds", "{folder}/" + "a" * 200], {}, "path too long"),
    (["--ssl-keyfile", "k"], {}, "a private key needs a certificate; give that with --ssl-certfile."),
    (["--ssl-certfile", "/nowhere/c"], {}, "--ssl-certfile /nowhere/c can't be read: No such file or directory."),
    (["--ssl-certfile", "{cert}"], {}, "has no private key; give the file that has it with --ssl-keyfile."),
    (["--ssl-certfile", "{key}"], {}, "is no certificate in PEM format."),
    (["--ssl-certfile", "{cert}", "--ssl-keyfile", "{cert}"], {}, "is no private key in PEM format."),
    (["--ssl-certfile", "{cert}", "--ssl-keyfile", "{other}"], {}, "isn't that of the certificate"),
    (["--ssl-certfile", "{cert}", "--ssl-keyfile", "{locked}"], {}, "needs a password; give it with"),
    (["--ssl-certfile", "{cert}", "--ssl-keyfile", "{locked}"], {"SSL_KEYFILE_PASSWORD": "x"}, "another password"),
    (["--host", "192.0.2.1", "--port", "0"], {}, "this machine has no such address; give another --host."),
]


def test_what_cannot_be_listened_on_is_refused_in_one_line(
    site: Project, certificates: Certificates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"folder": site.folder, "cert": certificates.cert, "key": certificates.key, **_keys(site.folder)}
    for options, variables, says in REFUSED:
        arguments = [each.format(**files) for each in options]
        with monkeypatch.context() as patched:
            for name, value in variables.items():
                patched.setenv(name, value)
            done = call(site.folder, capsys, "start", "--dir", str(site.folder), *arguments)
        assert done.code == 1
        assert says in done.err
        assert len(done.err.splitlines()) == 1


def _keys(folder: Path) -> dict[str, Path]:
    """Keys of other certificates: one that is encrypted, and one that isn't."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    files = {"other": folder / "other.pem", "locked": folder / "locked.pem"}
    files["other"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files["locked"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"tulip")))
    return files


def test_one_file_may_hold_the_certificate_and_its_key(site: Project, certificates: Certificates) -> None:
    with (
        started(site, "--port", "0", "--ssl-certfile", str(certificates.both)) as server,
        httpx2.Client(base_url=server.place, verify=certificates.context, trust_env=False) as client,
    ):
        assert asked(client)["scheme"] == "https"
