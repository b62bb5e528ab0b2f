"""What a file that is executed at its first use has of other modules."""

from __future__ import annotations

import ast
import inspect
import sys
from typing import TYPE_CHECKING

import pytest

from millpond.routes.known_imports import VALUES, with_known_imports

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio


async def test_a_file_has_the_names_of_other_modules_as_they_were_at_the_start(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from shop import one, two as deux\nfrom .near import here\nfrom . import near\n"
    source += "def GET(request): return [one, deux, here, near.here, request.headers.get('x', '')]\n"
    project.routes({"/a": source, "/b": source})
    project.write({"shop.py": "one, two = 1, 2\n", "app/a/near.py": "here = 'a'\n", "app/b/near.py": "here = 'b'\n"})
    await project.built()
    async with project.started() as running:
        assert not [name for name in sys.modules if name.endswith(".route") and name.startswith("app.")]
        monkeypatch.setattr("shop.one", 0)
        monkeypatch.delattr("shop.two")
        monkeypatch.setattr(sys.modules["app.a.near"], "here", "changed")
        assert await running.body("/a") == '[1,2,"a","changed",""]'
        assert await running.body("/b") == '[1,2,"b","b",""]'
        module = sys.modules["app.a.route"]
        assert (module.one, inspect.getsource(module)) == (1, source)
        assert not any("import" in name for name in vars(module))


def test_a_file_takes_what_is_known_and_imports_the_rest() -> None:
    source = "from __future__ import annotations\nimport a\nfrom b import c as d, e\nfrom .b import c\n"
    source += "def f():\n    from b import c as d, e\n"
    of_file = ast.parse(source)
    tree, values = with_known_imports(of_file, {("b", 0, ("c", "e")): (1, 2)})
    assert values == ((1, 2),)
    assert ast.unparse(of_file) == ast.unparse(ast.parse(source))
    expected = source.replace("from b import c as d, e", f"(d, e) = {VALUES}[0]", 1)
    assert ast.unparse(tree) == ast.unparse(ast.parse(expected))
    assert [statement.lineno for statement in tree.body] == [1, 2, 3, 4, 5]
    assert compile(tree, "route.py", "exec").co_firstlineno == 1
