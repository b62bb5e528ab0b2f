"""Caches that aren't an application: nginx and Varnish."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from machine import version_of

from peers.peer import Missing, Peer, body, filled

if TYPE_CHECKING:
    from peers.peer import Scratch


def nginx(scratch: Scratch) -> Peer:
    """One nginx that answers by `return`, from a file, and from its cache; and by `return` with an access log."""
    if shutil.which("nginx") is None:
        raise Missing("nginx isn't installed (Debian: apt-get install nginx-light)")

    def command(port: int) -> list[str]:
        names = {
            "scratch": str(scratch.folder),
            "run": str(scratch.run),
            "port": str(port),
            "origin": str(scratch.origin),
            "body": body().decode().replace("'", "\\'"),
        }
        return ["nginx", "-c", filled("nginx.conf.in", names, scratch.run / f"nginx-{port}.conf")]

    paths = {"return": "/return", "log": "/return-log", "file": "/file", "proxy": "/hit", "many": "/many/"}
    return Peer("nginx", "nginx", command, scratch.folder, paths, version_of("nginx", "-v"))


def varnish(scratch: Scratch) -> Peer:
    """Varnish in front of a constant ASGI app."""
    if shutil.which("varnishd") is None:
        raise Missing("Varnish isn't installed (Debian: apt-get install varnish)")

    def command(port: int) -> list[str]:
        names = {"origin": str(scratch.origin)}
        vcl = filled("varnish.vcl.in", names, scratch.run / "varnish.vcl")
        state = scratch.run / f"varnish-{port}"
        return ["varnishd", "-F", "-a", f"127.0.0.1:{port}", "-f", vcl, "-n", str(state), "-s", "malloc,64m"]

    return Peer("varnish", "Varnish", command, scratch.folder, {"hit": "/"}, version_of("varnishd", "-V"))
