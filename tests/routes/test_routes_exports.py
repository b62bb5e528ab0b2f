from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from routes_project import load_one

from millpond.routes.exports import METHODS

if TYPE_CHECKING:
    from pathlib import Path


def warnings(project: Path, source: str) -> list[str]:
    return list(load_one(project, source + "\n").warnings)


@pytest.mark.parametrize(
    ("source", "warning"),
    [
        ("def get(): ...\ndef POST(): ...", "app/route.py:1: get answers no requests; write GET."),
        ("def POST(): ...\nasync def Delete(): ...", "app/route.py:2: Delete answers no requests; write DELETE."),
        ("def GET(): ...\nfetchCache = 'auto'", "app/route.py:2: fetchCache does nothing; write fetch_cache."),
        ("def GET(): ...\ndynamicParams = False", "app/route.py:2: dynamicParams does nothing; write dynamic_params."),
        ("def GET(): ...\nmaxDuration = 5", "app/route.py:2: maxDuration does nothing; write max_duration."),
        (
            "def GET(): ...\ndef generateStaticParams(): ...",
            "app/route.py:2: generateStaticParams does nothing; write generate_static_params.",
        ),
        (
            "def GET(): ...\nruntime = 'edge'",
            "app/route.py:2: runtime does nothing: this server has one runtime and no regions; remove it.",
        ),
        (
            "def GET(): ...\npreferred_region = ['fra1']",
            "app/route.py:2: preferred_region does nothing: this server has one runtime and no regions; remove it.",
        ),
        ("revalidte = 60\ndef GET(): ...", "app/route.py:1: revalidte does nothing; did you mean revalidate?"),
        ("REVALIDATE = 60\ndef GET(): ...", "app/route.py:1: REVALIDATE does nothing; did you mean revalidate?"),
        ("revalidates: int = 60\ndef GET(): ...", "app/route.py:1: revalidates does nothing; did you mean revalidate?"),
        (
            "def GET(): ...\ndef generate_static_param(): ...",
            "app/route.py:2: generate_static_param does nothing; did you mean generate_static_params?",
        ),
        ("def GET(): ...\ndef DELTE(): ...", "app/route.py:2: DELTE answers no requests; did you mean DELETE?"),
        ("def GET(): ...\ndef PSOT(): ...", "app/route.py:2: PSOT answers no requests; did you mean POST?"),
        ("def GET(): ...\nasync def PTU(): ...", "app/route.py:2: PTU answers no requests; did you mean PUT?"),
        ("def GET(): ...\ndef OPTION(): ...", "app/route.py:2: OPTION answers no requests; did you mean OPTIONS?"),
        ("def GET(): ...\ndef DEL(): ...", "app/route.py:2: DEL answers no requests; did you mean DELETE?"),
        ("def POST(): ...\ndef GTE(): ...", "app/route.py:2: GTE answers no requests; did you mean GET?"),
        ("def POST(): ...\ndef GETT(): ...", "app/route.py:2: GETT answers no requests; did you mean GET?"),
        ("def POST(): ...\nHEED = lambda: 1", "app/route.py:2: HEED answers no requests; did you mean HEAD?"),
        (
            "def GET(): ...\ndef TRACE(): ...",
            f"app/route.py:2: TRACE answers no requests; route files answer {', '.join(METHODS)}.",
        ),
        (
            "def GET(): ...\nasync def PROPFIND(): ...",
            f"app/route.py:2: PROPFIND answers no requests; route files answer {', '.join(METHODS)}.",
        ),
        ("def GET(): ...\nasync def QUREY(): ...", "app/route.py:2: QUREY answers no requests; did you mean QUERY?"),
        ("def GET(): ...\nasync def query(): ...", "app/route.py:2: query answers no requests; write QUERY."),
        (
            "cache_query_body = True\ndef GET(): ...",
            "app/route.py:1: cache_query_body does nothing without QUERY; define it, or leave the option out.",
        ),
    ],
)
def test_a_name_that_looks_like_a_mistake_is_warned_about(tmp_path: Path, source: str, warning: str) -> None:
    assert warnings(tmp_path, source) == [warning]


def test_a_default_export_is_warned_about(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, "def GET(): ...\ndef default(): ...")
    assert warning.startswith("app/route.py:2: a route has no default handler; name the function by its method: GET, ")


def test_a_file_without_any_method_is_warned_about(tmp_path: Path) -> None:
    assert warnings(tmp_path, "x = 1") == [
        "app/route.py: no method is defined, so every request is answered 405; define GET or another method."
    ]


@pytest.mark.parametrize(
    "source",
    [
        "def GET(): ...\ndef get(id): ...",
        "from operator import delitem as delete\ndef GET(): ...",
        "options = {'a': 1}\ndef GET(): ...",
        "head = 3\ndef GET(): ...",
        "POSTS = ['a', 'b']\ndef GET(): ...",
        "def puts(): ...\ndef GET(): ...",
        "class Post: ...\ndef GET(): ...",
        "def LOAD(): ...\ndef GET(): ...",
        "def GETT(): ...\ndef GET(): ...",
        "_revalidte = 60\ndef GET(): ...",
        "from os import name as revalidte\ndef GET(): ...",
        "class Runtime: ...\nruntime = Runtime()\ndef GET(): ...",
        "def GET():\n    revalidte = 60",
        "revalidate = 60\nrevalidates = 70\ndef GET(): ...",
        "default_page = 1\ndynamics = []\nduration = 3\ndef GET(): ...",
        "for fetchCache in []: ...\ndef GET(): ...",
        "fetchCache = 1\ndel fetchCache\ndef GET(): ...",
    ],
)
def test_an_ordinary_name_is_no_mistake(tmp_path: Path, source: str) -> None:
    assert warnings(tmp_path, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    maxDuration = 1\nexcept KeyError:\n    pass\ndef GET(): ...",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    maxDuration = 1\ndef GET(): ...",
        "try:\n    pass\nfinally:\n    maxDuration = 1\ndef GET(): ...",
        "from contextlib import nullcontext\nwith nullcontext():\n    maxDuration = 1\ndef GET(): ...",
        "while True:\n    maxDuration = 1\n    break\ndef GET(): ...",
        "x, (maxDuration, y) = 1, (2, 3)\ndef GET(): ...",
    ],
)
def test_blocks_at_module_level_belong_to_the_file(tmp_path: Path, source: str) -> None:
    (warning,) = warnings(tmp_path, source)
    assert "maxDuration does nothing" in warning
