from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from millpond.cli.terminal.console import print_table
from millpond.prerender.build_manifest import BuildManifest, PathRecord, RouteRecord
from millpond.prerender.build_report import facts, failure_facts
from millpond.prerender.build_table import build_table, legend, preview
from millpond.prerender.failure import Failure
from millpond.routes.public.public_file import PublicFile
from millpond.routes.public.public_folder import PublicListing

NO_FILES = PublicListing("public", {}, [])


def path_record(path: str, seconds: float = 0.01, **more: Any) -> PathRecord:
    values: dict[str, Any] = {"status": 200, "revalidate": 60.0, "expire": 3600.0, "headers": {}, "tags": [], **more}
    return PathRecord(path=path, readable=path, seconds=seconds, **values)


def route_record(pattern: str, glyph: str = "○", **more: Any) -> RouteRecord:
    values: dict[str, Any] = {
        "origin": f"app{pattern.rstrip('/')}/route.py",
        "file": f"app{pattern.rstrip('/')}/route.py",
        "digest": "",
        "why": "revalidate = 60",
        "place": (f"app{pattern.rstrip('/')}/route.py", 3),
        "static": glyph != "λ",
        "on_demand": False,
        "closed": False,
        "revalidate": 60.0,
        "expire": 3600.0,
        "paths": [],
        **more,
    }
    return RouteRecord(pattern=pattern, glyph=glyph, **values)


def live_record(pattern: str, **more: Any) -> RouteRecord:
    return route_record(pattern, "λ", revalidate=None, expire=None, why="reads request.headers", **more)


def manifest(*routes: RouteRecord) -> BuildManifest:
    return BuildManifest(
        millpond="0", build="b1", built_at=0.0, compat="16", draft_secret="s", entries=0, routes=list(routes)
    )


def printed(*routes: RouteRecord, width: int = 200, public: PublicListing = NO_FILES) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_table(console, build_table(manifest(*routes), public, width))
    assert console.width == width
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def paths(number: int, *seconds: float) -> list[PathRecord]:
    given = [*seconds, *[0.01] * (number - len(seconds))]
    return [path_record(f"/p/{n}", took) for n, took in enumerate(given)]


def test_a_route_says_what_it_is_where_and_why() -> None:
    assert facts(manifest(route_record("/a")), NO_FILES, [], 1.23456)["routes"] == {
        "/a": {
            "glyph": "○",
            "file": "app/a/route.py",
            "why": "revalidate = 60",
            "place": "app/a/route.py:3",
            "revalidate": 60,
            "expire": 3600,
            "fingerprint": None,
            "varies": {},
            "frozen": [],
            "refreshed": [],
        }
    }


def test_a_live_route_has_no_lifetime() -> None:
    live = facts(manifest(live_record("/a", place=None)), NO_FILES, [], 0)["routes"]["/a"]
    assert (live["place"], live["revalidate"], live["expire"]) == (None, None, None)


def test_a_path_that_never_goes_stale_has_revalidate_false_and_no_expire() -> None:
    record = route_record("/a", paths=[path_record("/a", revalidate=None, expire=None)])
    path = facts(manifest(record), NO_FILES, [], 0)["prerendered"]["/a"]
    assert path["revalidate"] is False
    assert path["expire"] is None


def test_seconds_are_written_as_they_were_given() -> None:
    record = route_record("/a", paths=[path_record("/a", revalidate=0.5, expire=31_536_000.0)])
    path = facts(manifest(record), NO_FILES, [], 0)["prerendered"]["/a"]
    assert repr(path["revalidate"]) == "0.5"
    assert repr(path["expire"]) == "31536000"


def test_prerendered_paths_are_the_readable_ones_with_status_headers_and_route() -> None:
    path = PathRecord(
        path="/p/%C3%BC",
        readable="/p/ü",
        status=404,
        revalidate=60,
        expire=None,
        headers={"x": "y"},
        tags=[],
        seconds=0,
    )
    assert facts(manifest(route_record("/p/[id]", "●", paths=[path])), NO_FILES, [], 0)["prerendered"] == {
        "/p/ü": {"revalidate": 60, "expire": None, "status": 404, "headers": {"x": "y"}, "route": "/p/[id]"}
    }


def test_dynamic_routes_are_those_with_a_rule_for_other_paths() -> None:
    routes = [
        route_record("/open/[id]", "●", on_demand=True),
        route_record("/closed/[id]", "●", closed=True),
        route_record("/mixed/[id]", "λ", static=True),
        live_record("/live/[id]"),
    ]
    assert facts(manifest(*routes), NO_FILES, [], 0)["dynamic_routes"] == {
        "/open/[id]": {"fallback": None},
        "/closed/[id]": {"fallback": False},
    }


def test_warnings_build_and_duration_are_facts() -> None:
    told = facts(manifest(), NO_FILES, ["odd"], 1.23456)
    assert (told["warnings"], told["build"], told["seconds"]) == (["odd"], "b1", 1.235)


def test_failures_are_errors_with_file_path_params_and_message() -> None:
    failure = Failure("app/p/[id]/route.py", "/p/1", {"id": "1"}, "boom")
    assert failure_facts([failure], ["odd"], 0.5) == {
        "errors": [{"file": "app/p/[id]/route.py", "path": "/p/1", "params": {"id": "1"}, "message": "boom"}],
        "warnings": ["odd"],
        "seconds": 0.5,
    }


def test_the_table_has_a_row_per_route_in_the_order_of_their_paths() -> None:
    assert printed(live_record("/b"), route_record("/a"), route_record("/")) == [
        "Route   Revalidate  Expire  Why",
        "┌ ○ /   1m          1h      revalidate = 60 · app/route.py:3",
        "├ ○ /a  1m          1h      revalidate = 60 · app/a/route.py:3",
        "└ λ /b                      reads request.headers · app/b/route.py:3",
    ]


def test_a_column_without_a_value_is_left_out_and_one_route_has_no_corner() -> None:
    assert printed(live_record("/b", place=None)) == ["Route   Why", "─ λ /b  reads request.headers"]


def test_the_paths_of_a_parameterised_route_are_its_children() -> None:
    records = route_record("/p/[id]", "●", paths=paths(2)), route_record("/z")
    assert printed(*records)[1:] == [
        "┌ ● /p/[id]  1m          1h      revalidate = 60 · app/p/[id]/route.py:3",
        "│ ├   /p/0   1m          1h",
        "│ └   /p/1   1m          1h",
        "└ ○ /z       1m          1h      revalidate = 60 · app/z/route.py:3",
    ]


def test_the_static_paths_of_a_live_route_say_what_they_are() -> None:
    lines = printed(live_record("/p/[id]", paths=paths(1)))
    assert lines[1].startswith("─ λ /p/[id]")
    assert lines[2].startswith("  └ ● /p/0")


def test_more_paths_are_counted_with_their_average_when_it_is_slow() -> None:
    lines = printed(route_record("/p/[id]", "●", paths=paths(9, *[1.0] * 9)))
    assert lines[2].startswith("  ├   /p/0 (1000 ms)")
    assert lines[-1] == "  └   [+2 more paths] (avg 1000 ms)"
    assert printed(route_record("/p/[id]", "●", paths=paths(5)))[-1] == "  └   [+2 more paths]"


def test_a_slow_path_says_how_long_it_took() -> None:
    slow, quick = path_record("/a", 0.512), path_record("/b", 0.3)
    lines = printed(route_record("/a", paths=[slow]), route_record("/b", paths=[quick]))
    assert lines[1].startswith("┌ ○ /a (512 ms) ")
    assert "ms" not in lines[2]


@pytest.mark.parametrize(
    ("number", "slow", "shown"), [(3, 0, 3), (4, 0, 4), (5, 0, 3), (7, 1, 7), (8, 1, 8), (9, 1, 7), (0, 0, 0)]
)
def test_three_or_four_paths_are_shown_and_seven_or_eight_when_any_was_slow(number: int, slow: int, shown: int) -> None:
    first, rest = preview(paths(number, *[0.4] * slow))
    assert (len(first), len(rest)) == (shown, number - shown)


def test_the_slowest_paths_come_first_and_quick_ones_keep_their_order() -> None:
    first, _ = preview(paths(5, 0.02, 0.4, 0.01, 0.9))
    assert [path.path for path in first] == ["/p/3", "/p/1", "/p/0", "/p/2", "/p/4"]


@pytest.mark.parametrize("width", [100, 104])
def test_a_narrow_table_folds_its_reasons_and_loses_no_character(width: int) -> None:
    record = route_record("/a/rather/long/pattern/[with]", "●", paths=paths(1))
    lines = printed(record, width=width)
    assert all(len(line) <= width for line in lines)
    start = lines[0].index("Why")
    assert "".join(line[start:].strip() for line in lines[1:]).replace(" ", "") == str(record.reason).replace(" ", "")


@pytest.mark.parametrize("width", [1, 40, 80])
def test_paths_stay_whole_in_a_console_that_has_no_room_for_them(width: int) -> None:
    pattern = "/" + "abcdefghij/" * 10
    file = f"app{pattern}route.py"
    record = msgspec.structs.replace(route_record(pattern, why="GET reads headers()"), place=(file, 12))
    lines = printed(record, width=width)
    assert any(f"─ ○ {pattern}  " in line for line in lines)
    assert any(f"{file}:12" in line for line in lines)
    assert len(lines) < 8


def test_the_legend_has_a_line_for_each_glyph_that_is_used() -> None:
    assert [line[0] for line in legend(["λ", "○", "λ"])] == ["○", "λ"]


def test_public_files_are_one_row_below_the_routes() -> None:
    files = {f"/{n}.png": PublicFile(Path(f"/p/public/{n}.png"), f"public/{n}.png", 1500) for n in range(2)}
    public = PublicListing("public", files, [])
    assert printed(route_record("/a"), public=public)[1:3] == [
        "┌ ○ /a       1m          1h      revalidate = 60 · app/a/route.py:3",
        "└   public/                      2 files, 3.0 kB",
    ]
    assert printed(public=public)[1].split() == ["─", "public/", "2", "files,", "3.0", "kB"]
    assert facts(manifest(), public, [], 0)["public"] == {"folder": "public", "files": 2, "bytes": 3000}
    assert facts(manifest(), NO_FILES, [], 0)["public"] is None
