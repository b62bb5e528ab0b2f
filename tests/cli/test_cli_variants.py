"""What the command line says of hosts and values in keys, and does about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cli_project import call
from many_workers import PATIENCE, started
from ponds import cache_of

if TYPE_CHECKING:
    from cli_project import Done
    from ponds import Project

PAGE = """\
cache_host = True
hosts = ["a.example", "b.example"]
cache_vary = {"cookie:theme": ["light", "dark"]}
revalidate = 3600


def GET(request):
    return [request.url.hostname, request.cookies["theme"]]
"""
ANY = "cache_host = True\nrevalidate = 3600\ndef GET(request):\n    return request.url.hostname\n"
CONFIG = '[revalidate_endpoint]\nsecret = "a secret of enough letters"\n'


class Site:
    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        self.project, self._capsys = project, capsys
        project.routes({"/x": PAGE, "/any": ANY, "/plain": "revalidate = 60\ndef GET():\n    return 1\n"})
        project.write({"millpond.toml": CONFIG})

    def call(self, *arguments: str) -> Done:
        return call(self.project.folder, self._capsys, *arguments, "--dir", str(self.project.folder))

    def explained(self, *arguments: str) -> dict[str, Any]:
        done = self.call("explain", *arguments, "--json")
        assert done.code == 0, done.err
        facts: dict[str, Any] = done.facts
        return facts


@pytest.fixture
def site(project: Project, capsys: pytest.CaptureFixture[str]) -> Site:
    site = Site(project, capsys)
    assert site.call("build").code == 0
    return site


def test_the_build_lists_variants_and_its_json_has_each(site: Site) -> None:
    shown = site.call("build").out
    assert "/x [host=a.example&cookie:theme=light]" in shown
    assert "4 paths rendered" not in shown  # and the plain one
    facts = site.call("build", "--json").facts
    assert sorted(facts["prerendered"]) == [
        "/plain",
        *(f"/x [host={host}.example&cookie:theme={theme}]" for host in "ab" for theme in ("dark", "light")),
    ]


def test_explain_takes_a_host_and_headers(site: Site) -> None:
    facts = site.explained("/x", "--host", "B.example:8000", "-H", "Cookie: id=1; theme=dark")
    assert (facts["variant"], facts["mode"]) == ("host=b.example&cookie:theme=dark", "fresh")
    assert facts["cache"]["answer"] == "HIT"
    assert facts["cache"]["key"].split("\0")[-1] == facts["variant"]
    assert site.explained("http://b.example/x")["variant"] == "host=b.example&cookie:theme=light"
    assert site.explained("/plain", "--host", "b.example")["variant"] is None


def test_explain_says_which_host_it_takes_where_none_is_named(site: Site) -> None:
    facts = site.explained("/x")
    assert facts["variant"] == "host=a.example&cookie:theme=light"
    assert facts["notes"][0] == "the host is part of the key: this is the answer for a.example; name another by --host"
    anybody = site.explained("/any")
    assert (anybody["variant"], anybody["cache"]["answer"]) == ("host=localhost", "MISS")
    assert "rendered at its first request" in anybody["rule"]


def test_explain_says_why_a_host_is_refused(site: Site) -> None:
    facts = site.explained("/x", "--host", "c.example")
    assert (facts["status"], facts["rule"]) == (
        421,
        "no route is called: the request's host isn't served here; hosts lists a.example, b.example",
    )
    assert site.explained("/x", "--host", "no host")["status"] == 400


@pytest.mark.parametrize("header", ["theme", ": x", "x: \u20ac"])
def test_explain_refuses_what_is_no_header(site: Site, header: str) -> None:
    assert site.call("explain", "/x", "-H", header).code != 0


def test_workers_serve_list_and_invalidate_one_host(site: Site) -> None:
    with started(site.project) as server:
        client = server._client

        def states(path: str = "/any") -> list[str | None]:
            return [cache_of(client.get(path, headers={"host": host})) for host in ("a.example", "b.example")]

        assert states() == ["MISS", "MISS"]
        for _ in range(3):
            assert [states(), states("/x")] == [["HIT", "HIT"]] * 2
        assert client.get("/x", headers={"host": "c.example"}).status_code == 421
        listed = site.call("cache", "ls", "--json").facts["entries"]
        variants = {(entry["path"], entry["variant"]) for entry in listed}
        assert {("/any", "host=a.example"), ("/any", "host=b.example"), ("/plain", None)} < variants
        assert "/any [host=a.example]" in site.call("cache", "ls").out
        for options in (["--url", server.address], []):
            done = site.call("revalidate", "--path", "/any", "--host", "b.example", *options)
            assert done.code == 0, done.err
            assert states() == ["HIT", "MISS"]
        assert site.call("revalidate", "--tag", "t", "--host", "no host").code != 0
        server.process.terminate()
        server.process.wait(PATIENCE)
