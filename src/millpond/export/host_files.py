"""`_headers` and `_redirects`: the files by which Netlify and Cloudflare know headers, redirects and other names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from millpond.export.export_record import HOST_HEADERS, HOST_REDIRECTS
from millpond.routes.path import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from millpond.config import RedirectConfig
    from millpond.export.export_record import FileRecord, RedirectRecord

Host = Literal["netlify", "cloudflare"]

_OF_HOST = frozenset({"content-encoding", "content-length", "etag", "last-modified", "vary"})
"""Headers that the hosters make themselves, as they compress and compare files themselves."""
_MOST_HEADERS, _MOST_REDIRECTS = 100, 2000
"""Rules of each file that Cloudflare Pages reads."""
_MANY = re.compile(r"\[\[?\.\.\.[^\]]*\]\]?")
_ONE = re.compile(r"\[([^\].]+)\]")


def host_files(
    host: Host,
    files: Mapping[str, FileRecord],
    redirects: Sequence[RedirectRecord],
    configured: Sequence[RedirectConfig],
    base_path: str,
) -> tuple[dict[str, bytes], list[str]]:
    """The two files by name, and notes about what the hoster won't read.

    Args:
        host: who reads them.
        files: what is exported, by name; without coded forms, which hosters make themselves.
        redirects: of answers.
        configured: `[[redirects]]`, of the configuration.
        base_path: the application's.
    """
    headers, moved = list(_headers(files)), [*_redirects(redirects, configured, base_path), *_names(files)]
    notes = []
    if host == "cloudflare":
        for name, rules, most in (
            (HOST_HEADERS, len(headers), _MOST_HEADERS),
            (HOST_REDIRECTS, len(moved), _MOST_REDIRECTS),
        ):
            if rules > most:
                notes.append(f"{name} has {rules} rules, of which Cloudflare Pages reads {most}: use a Worker, or S3.")
    written = {HOST_HEADERS: "\n".join(headers), HOST_REDIRECTS: "\n".join(moved)}
    return {name: f"{text}\n".encode() for name, text in written.items() if text}, notes


def _headers(files: Mapping[str, FileRecord]) -> Iterator[str]:
    for name, file in sorted(files.items()):
        lines = [f"  {header}: {value}" for header, value in file.headers.items() if header not in _OF_HOST]
        for path in dict.fromkeys((file.path, _url_of(name))):
            yield "\n".join([_literal(path), *lines])


def _names(files: Mapping[str, FileRecord]) -> Iterator[str]:
    """A path whose file has another name is answered by that, without a redirect."""
    for name, file in sorted(files.items()):
        url = _url_of(name)
        if url not in (file.path, f"{file.path.rstrip('/')}/index.html", f"{file.path}.html"):
            yield f"{_literal(file.path)} {_literal(url)} 200"


def _redirects(
    redirects: Sequence[RedirectRecord], configured: Sequence[RedirectConfig], base_path: str
) -> Iterator[str]:
    for each in configured:
        target = each.destination if "://" in each.destination else base_path + each.destination
        source = _ONE.sub(r":\1", _MANY.sub("*", base_path + each.source))
        target = _ONE.sub(r":\1", _MANY.sub(":splat", target))
        yield f"{source} {target} {each.status}"
    for moved in redirects:
        yield f"{_literal(moved.source)} {moved.target.replace(' ', '%20')} {moved.status}"


def _url_of(name: str) -> str:
    """The path of a file, as canonical ones are encoded."""
    return canonical(name.split("/"))


def _literal(path: str) -> str:
    """A path in which nothing is a placeholder."""
    return re.sub(r"[*: ]", lambda found: f"%{ord(found[0]):02X}", path)
