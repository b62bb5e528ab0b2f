"""A variable that a build needs and doesn't have is named, with its line and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from frozen_sources import STATIC

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio


async def test_a_variable_that_is_not_set_at_build_is_named_with_what_to_do(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APP_SECRET", raising=False)
    source = "import os\nfrom lib.settings import secret\n{}\nasync def GET():\n    return secret()\n"
    project.write({"lib/settings.py": "import os\ndef secret():\n    return os.environ['APP_SECRET']\n"})
    project.routes({"/": source.format(STATIC)})
    assert await project.failures() == [
        "/  (app/route.py)\n  lib/settings.py:3: APP_SECRET is read at build time by a static route, and isn't set; "
        'set it for `millpond build`, or read it in a live one: connection() before it, or dynamic = "force-dynamic".'
    ]
    project.config["cache_components"] = True
    project.routes({"/": source.format("")})
    [failure] = await project.failures()
    assert failure.endswith("or read it in a live one: connection() before it.")


async def test_one_that_generate_static_params_needs_is_named_as_well(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APP_IDS", raising=False)
    project.routes(
        {
            "/[id]": "import os\ndef generate_static_params():\n    return os.environ['APP_IDS']\n"
            "def GET(id): return id\n"
        }
    )
    assert await project.failures() == [
        "app/[id]/route.py\n  app/[id]/route.py:3: APP_IDS is read at build time by generate_static_params, and isn't "
        "set; set it for `millpond build`, or give it a default."
    ]


async def test_a_key_that_a_handler_misses_elsewhere_is_an_ordinary_error(project: Project) -> None:
    project.routes({"/": f"{STATIC}\ndef GET():\n    return {{}}['APP_SECRET']\n"})
    [failure] = await project.failures()
    assert failure.endswith("KeyError: 'APP_SECRET'")
