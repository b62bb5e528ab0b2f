"""A file that can't be loaded breaks its own route, and leaves all others as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from dev_server import developing, returns

from cli_project import call

if TYPE_CHECKING:
    from ponds import Project

BROKEN = {
    "syntax": ("def GET(:\n    return 1\n", "app/syntax/route.py", 1, "invalid syntax"),
    "indent": ("def GET():\nreturn 1\n", "app/indent/route.py", 2, "invalid syntax"),
    "raises": ('x = 1\nraise RuntimeError("<no data>")\n', "app/raises/route.py", 2, "RuntimeError: <no data>"),
    "missing": ("import no_such_package\n", "app/missing/route.py", 1, "No module named 'no_such_package'"),
    "library": ("\nfrom lib.data import value\n", "lib/data.py", 3, "ZeroDivisionError"),
    "option": ('revalidate = "soon"\n\n\ndef GET():\n    return 1\n', "app/option/route.py", 1, "revalidate"),
    "export": ("GET = 5\n", "app/export/route.py", 1, "GET is a value of type int"),
    "signature": ("\n\ndef GET(x: object()):\n    return 1\n", "app/signature/route.py", 3, "signature of GET"),
}


@pytest.fixture
def site(project: Project) -> Project:
    project.write({f"app/{name}/route.py": text for name, (text, *_) in BROKEN.items()})
    project.write(
        {
            "app/route.py": returns("fine"),
            "app/[slug]/below/route.py": "def GET(slug: str):\n    return slug\n",
            "app/sitemap.py": "def sitemap(:\n",
            "lib/data.py": "\n\nvalue = 1 / 0\n",
        }
    )
    return project


def test_the_pages_of_broken_files_name_the_line_and_the_rest_is_served(site: Project) -> None:
    with developing(site) as dev:
        assert dev.get("/").json() == "fine"
        assert dev.get("/oak/below").json() == "oak"
        for name, (_, file, line, says) in BROKEN.items():
            for method in ("GET", "POST", "DELETE"):
                answer = dev.client.request(method, f"/{name}", headers={"accept": "application/json"})
                facts = answer.json()
                assert (answer.status_code, facts["file"], facts["line"]) == (500, file, line), name
                assert says in facts["error"]
        assert "<mark>" in dev.get("/syntax", accept="text/html").text
        assert dev.client.head("/syntax").status_code == 500
        assert "app/sitemap.py:1" in dev.get("/sitemap.xml").text
        assert dev.get("/nowhere").status_code == 404
        site.write({"app/syntax/route.py": returns("mended")})
        assert dev.until(lambda answer: answer.status_code == 200, "/syntax").json() == "mended"
        assert dev.get("/raises").status_code == 500
        site.write({"lib/data.py": "value = 1\n", "app/library/route.py": returns("too")})
        dev.until(lambda answer: answer.status_code == 200, "/library")
        said = dev.stop()
    assert "app/raises/route.py:2: the file can't be imported: RuntimeError" in said
    assert "Traceback" not in said


def test_a_page_of_the_users_own_for_500_does_not_hide_it(project: Project) -> None:
    main = """\
    from fastapi.responses import PlainTextResponse

    from millpond import Millpond

    app = Millpond()


    @app.exception_handler(500)
    async def sorry(request, error):
        return PlainTextResponse("sorry", 500)
    """
    project.write({"main.py": main, "app/route.py": "def GET(:\n", "app/other/route.py": returns("fine")})
    with developing(project) as dev:
        assert "app/route.py:1: invalid syntax" in dev.get("/").text
        assert dev.get("/other").json() == "fine"


def test_what_cache_components_replace_breaks_its_route_only(project: Project) -> None:
    project.write(
        {
            "millpond.toml": "cache_components = true\n",
            "app/route.py": returns("fine"),
            "app/old/route.py": "revalidate = 60\n\n\ndef GET():\n    return 1\n",
        }
    )
    with developing(project) as dev:
        assert dev.get("/").json() == "fine"
        assert "app/old/route.py:1: revalidate can't be used with cache_components" in dev.get("/old").text


@pytest.mark.parametrize("command", ["build", "start", "routes"])
def test_other_commands_fail_and_name_every_broken_file(
    site: Project, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    site.write({"app/library2/route.py": "from lib.data import value\n"})  # the same mistake is told once
    done = call(site.folder, capsys, command, "--dir", str(site.folder), *_free_port(command))
    assert done.code == 1
    for _, file, line, _ in BROKEN.values():
        assert done.err.count(f"{file}:{line}: ") == 1, done.err
    assert "app/sitemap.py:1: " in done.err


def _free_port(command: str) -> list[Any]:
    return ["--port", "0"] if command == "start" else []
