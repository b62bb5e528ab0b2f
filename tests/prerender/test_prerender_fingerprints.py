"""Fingerprints of routes: what of a project makes a route another one in the next build, and what doesn't."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from cli_project import call
from millpond.prerender.fingerprints import installed_versions, project_files
from millpond.prerender.fingerprints.written_names import WrittenNames, reads_by_fields
from millpond.routes.imports import forget

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ponds import Project

MAIN = """\
from fastapi import Depends
from fastapi.templating import Jinja2Templates

import middleware
from lib.pages import pages
from millpond import Millpond, static

app = Millpond()


@app.get("/declared/{name}")
@static(revalidate=60)
def declared(name: str):
    return name
"""
PRODUCT = """\
import os

from .shown import shown
from lib.money import price

revalidate = 60


def GET(slug: str):
    return shown(price(slug), os.environ.get("SHOP_CURRENCY"))
"""
PAGE = """\
from main import app
from lib.pages import pages

revalidate = 60


def GET(name: str):
    return pages.get_template("page.html").render(name=name)
"""
ARTICLE = """\
from pathlib import Path

revalidate = 60


def GET(name: str):
    return (Path(__file__).parents[4] / "content" / f"{name}.md").read_text()
"""
FILES = {
    "main.py": MAIN,
    "middleware.py": "import lib.headers\n",
    "instrumentation.py": "def register(app): pass\n",
    "app/(shop)/product/[slug]/route.py": PRODUCT,
    "app/(shop)/product/[slug]/shown.py": "def shown(*values):\n    return values\n",
    "app/(shop)/router.py": "tags = ['shop']\n",
    "app/page/[name]/route.py": PAGE,
    "app/article/[name]/route.py": ARTICLE.replace("parents[4]", "parents[3]"),
    "app/robots.txt": "User-agent: *\n",
    "app/live/route.py": "from millpond import headers\n\ndef GET():\n    return headers()['host']\n",
    "lib/pages.py": (
        "from fastapi.templating import Jinja2Templates\n\npages = Jinja2Templates(directory='templates')\n"
    ),
    "lib/money.py": "from lib.rates import RATE\n\n\ndef price(slug):\n    return RATE\n",
    "lib/rates.py": "RATE = 2\n",
    "lib/headers.py": "NAME = 'x'\n",
    "lib/unused.py": "A = 1\n",
    "templates/page.html": "{% include 'part.html' %}{{ name }}",
    "templates/part.html": "part",
    "content/one.md": "one",
    "notes.txt": "nobody's",
    "tests/test_it.py": "def test_it(): pass\n",
    "millpond.toml": "[cache]\nacross_builds = 'stale'\n",
}
DECLARED, PRODUCTS, PAGES, ARTICLES, ROBOTS = (
    "/declared/[name]",
    "/product/[slug]",
    "/page/[name]",
    "/article/[name]",
    "/robots.txt",
)
ALL = {DECLARED, PRODUCTS, PAGES, ARTICLES, ROBOTS}


@dataclass(frozen=True)
class Site:
    """A project, and the fingerprints of its routes."""

    project: Project
    capsys: pytest.CaptureFixture[str]

    def built(self) -> dict[str, str]:
        """By pattern, after a build."""
        done = call(self.project.folder, self.capsys, "build", "--dir", str(self.project.folder))
        assert done.code == 0, done.err
        manifest = json.loads((self.project.folder / ".millpond/build/manifest.json").read_text("utf-8"))
        return {record["pattern"]: record["fingerprint"] for record in manifest["routes"]}

    def changed(self, files: dict[str, str]) -> set[str]:
        """The routes that differ when these files are written, too."""
        before = self.built()
        self.project.write(files)
        after = self.built()
        return {pattern for pattern in before.keys() | after.keys() if before.get(pattern) != after.get(pattern)}


@pytest.fixture
def site(project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    # Python tells a file of the same size and second from its bytecode by nothing.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    project.write(FILES)
    return Site(project, capsys)


def test_each_cached_route_has_one_and_two_builds_of_the_same_files_have_the_same(site: Site) -> None:
    first = site.built()
    assert {pattern for pattern, fingerprint in first.items() if fingerprint} == ALL
    assert len(set(first.values())) == len(ALL) + 1
    assert site.built() == first


def test_two_folders_with_the_same_files_have_the_same(site: Site, tmp_path: Path) -> None:
    first, elsewhere = site.built(), tmp_path / "elsewhere"
    forget(site.project.folder)
    for name, text in FILES.items():
        path = elsewhere / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert call(elsewhere, site.capsys, "build", "--dir", str(elsewhere)).code == 0
    manifest = json.loads((elsewhere / ".millpond/build/manifest.json").read_text("utf-8"))
    assert {record["pattern"]: record["fingerprint"] for record in manifest["routes"]} == first


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app/(shop)/product/[slug]/route.py": PRODUCT + "\n\nX = 1\n"}, {PRODUCTS}),
        ({"app/(shop)/product/[slug]/shown.py": "def shown(*values):\n    return values[0]\n"}, {PRODUCTS}),
        ({"app/(shop)/router.py": "tags = ['store']\n"}, {PRODUCTS}),
        ({"lib/rates.py": "RATE = 3\n"}, {PRODUCTS}),
        ({"content/one.md": "another"}, {ARTICLES}),
        ({"content/two.md": "new"}, {ARTICLES}),
        ({"app/robots.txt": "User-agent: none\n"}, {ROBOTS}),
        ({"templates/part.html": "other"}, ALL),  # main.py makes the templates' environment
        ({"main.py": MAIN.replace("return name", "return name.upper()")}, ALL),
        ({"lib/headers.py": "NAME = 'y'\n"}, ALL),
        ({"instrumentation.py": "def register(app): print(1)\n"}, ALL),
        ({"millpond.toml": "expire_time = 1000\n[cache]\nacross_builds = 'stale'\n"}, ALL),
        ({"millpond.toml": "[cache]\nacross_builds = 'stale'\ncodings = ['gzip']\n"}, ALL),
    ],
)
def test_what_a_route_is_made_of_makes_it_another_one(site: Site, files: dict[str, str], expected: set[str]) -> None:
    assert site.changed(files) == expected


@pytest.mark.parametrize(
    "files",
    [
        {"lib/rates.py": "# why\n\nRATE = 2  # two\n"},
        {"lib/unused.py": "A = 2\n"},
        {"notes.txt": "other"},
        {"tests/test_it.py": "def test_other(): pass\n"},
        {"app/live/route.py": "from millpond import headers\n\ndef GET():\n    return headers()['accept']\n"},
        {"millpond.toml": "[server]\nmax_connections = 9\n[cache]\nacross_builds = 'stale'\nmax_bytes = '1 GB'\n"},
    ],
)
def test_what_no_answer_is_made_of_changes_nothing(site: Site, files: dict[str, str]) -> None:
    assert site.changed(files) == set()


def test_a_variable_that_code_mentions_counts_and_another_does_not(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = site.built()
    monkeypatch.setenv("SHOP_OTHER", "1")
    assert site.built() == before
    monkeypatch.setenv("SHOP_CURRENCY", "EUR")
    euro = site.built()
    assert {pattern for pattern in ALL if euro[pattern] != before[pattern]} == {PRODUCTS}
    monkeypatch.setenv("SHOP_CURRENCY", "USD")
    assert site.built()[PRODUCTS] not in (euro[PRODUCTS], before[PRODUCTS])


@pytest.mark.parametrize("field", ["currency: str", "currency: str = 'EUR'"])
def test_variables_that_settings_read_by_the_names_of_fields_are_mentioned(field: str) -> None:
    code = compile(f"class Settings(BaseSettings, env_prefix='SHOP_'):\n    {field}\n", "settings.py", "exec")
    environ = {"SHOP_ANY": "1", "Currency": "2", "OTHER": "3", "HOME": "/", "PATH": "/bin"}
    written = WrittenNames.of(code)
    assert written.variables(environ, by_fields=True) == {"Currency", "SHOP_ANY"}
    assert written.variables(environ, by_fields=False) == set()
    assert reads_by_fields(["pydantic_settings"])
    assert not reads_by_fields(["pydantic"])


def test_a_variable_that_a_page_of_the_build_has_read_under_a_made_up_name_counts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = "import os\n\nrevalidate = 60\n\n\ndef GET():\n    return os.environ.get('MADE' + str(len('u')) + 'UP')\n"
    site.project.write({"app/read/route.py": route})
    before = site.built()
    monkeypatch.setenv("MADE1UP", "1")
    after = site.built()
    assert {pattern for pattern in before if after[pattern] != before[pattern]} == {"/read"}


def test_the_version_of_a_package_counts_for_the_routes_that_import_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.project.write({"lib/rates.py": "import http_sf\n\nRATE = 2\n"})
    before = site.built()
    asked = installed_versions.InstalledVersions.of

    def upgraded(self: installed_versions.InstalledVersions, packages: Iterable[str]) -> list[str]:
        return [each.replace("http-sf ", "http-sf 9.") for each in asked(self, packages)]

    monkeypatch.setattr(installed_versions.InstalledVersions, "of", upgraded)
    after = site.built()
    assert {pattern for pattern in ALL if after[pattern] != before[pattern]} == {PRODUCTS}


def test_what_a_package_needs_counts_and_what_only_its_extras_need_counts_where_it_is_loaded() -> None:
    found = {each.partition(" ")[0] for each in installed_versions.InstalledVersions().of(["fastapi", "os"])}
    assert {"fastapi", "starlette", "pydantic-core"} <= found
    assert "fastapi-cli" not in found


def test_a_file_that_was_read_and_that_no_code_mentions_counts_for_every_route(site: Site) -> None:
    site.project.write(
        {
            "lib/rates.py": "from pathlib import Path\n\nRATE = Path(''.join(('pri', 'ces.csv'))).read_text()\n",
            "prices.csv": "1",
        }
    )
    assert site.changed({"prices.csv": "2"}) == ALL


def test_a_project_with_too_many_files_shares_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_files, "MOST_FILES", 3)
    assert set(site.built().values()) == {""}


def test_without_the_option_a_build_has_no_fingerprints(site: Site) -> None:
    site.project.write({"millpond.toml": ""})
    assert set(site.built().values()) == {""}


def test_a_fingerprint_does_not_hold_what_a_variable_holds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_CURRENCY", "a secret of the shop")
    site.built()
    assert "a secret" not in (site.project.folder / ".millpond/build/manifest.json").read_text("utf-8")
