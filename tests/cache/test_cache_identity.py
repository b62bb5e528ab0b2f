"""What tells calls apart: all that a function can read of its arguments and its surroundings (R5.21, R5.30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

IMPORTS = """
import functools
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo
from pydantic import BaseModel, PrivateAttr
from millpond import cached
dynamic = "force-dynamic"
"""
CLOSURES = {
    "a default of what it calls": """
        def helper(user=user): return user
        @cached
        async def inner(): return helper()
        """,
    "a default by name": """
        helper = lambda *, user=user: user
        @cached
        async def inner(): return helper()
        """,
    "a function that is a default": """
        def helper(get=lambda: user): return get()
        @cached
        async def inner(): return helper()
        """,
    "a decorator's variable": """
        def of_user(function):
            @functools.wraps(function)
            async def wrapper(*args): return user
            return wrapper
        @cached
        @of_user
        async def inner(): return 1
        """,
    "a decorator's default": """
        def of_user(function):
            @functools.wraps(function)
            async def wrapper(*args, _user=user): return _user
            return wrapper
        @cached
        @of_user
        async def inner(): return 1
        """,
    "a decorator of what it calls": """
        def of_user(function):
            @functools.wraps(function)
            def wrapper(): return user
            return wrapper
        @of_user
        def helper(): return 1
        @cached
        async def inner(): return helper()
        """,
}
ARGUMENTS = {
    "a private attribute of a model": """
        class Shown(BaseModel):
            id: int = 1
            _user: str = PrivateAttr("")
        value = Shown()
        value._user = user
        """,
    "an attribute beside a dataclass's fields": """
        @dataclass
        class Shown: id: int = 1
        value = Shown()
        value._user = user
        """,
    "an attribute of a text": "class Shown(str): pass\nvalue = Shown('a')\nvalue._user = user",
    "an attribute of a dict": "class Shown(dict): pass\nvalue = Shown()\nvalue._user = user",
    "an attribute within a list": """
        class Shown(str): pass
        text = Shown('a')
        text._user = user
        class Texts(list): _user = property(lambda self: self[0]._user)
        value = Texts([text])
        """,
}


def _handler(body: str, result: str) -> str:
    lines = "\n".join(f"    {line}" for line in _dedented(body))
    return f'{IMPORTS}\nasync def GET(request):\n    user = request.headers["x-user"]\n{lines}\n    return {result}\n'


def _dedented(body: str) -> list[str]:
    lines = [line for line in body.splitlines() if line.strip()]
    margin = len(lines[0]) - len(lines[0].lstrip())
    return [line[margin:] for line in lines]


async def results(project: Project, source: str) -> list[str]:
    project.routes({"/": source})
    async with project.started() as running:
        return [await running.body("/", headers={"x-user": user}) for user in ("alice", "bob", "alice")]


@pytest.mark.parametrize("closure", CLOSURES)
async def test_what_a_function_reads_by_way_of_others_tells_its_results_apart(project: Project, closure: str) -> None:
    source = _handler(CLOSURES[closure], "await inner()")
    assert await results(project, source) == ['"alice"', '"bob"', '"alice"']


@pytest.mark.parametrize("argument", ARGUMENTS)
async def test_what_an_argument_holds_beside_its_fields_tells_results_apart(project: Project, argument: str) -> None:
    body = f"{_joined(ARGUMENTS[argument])}\n@cached\nasync def inner(value): return value._user"
    assert await results(project, _handler(body, "await inner(value)")) == ['"alice"', '"bob"', '"alice"']


def _joined(body: str) -> str:
    return "\n".join(_dedented(body))


async def test_zones_that_have_one_offset_tell_results_apart(project: Project) -> None:
    source = _handler(
        """
        zone = ZoneInfo({"alice": "Europe/London", "bob": "Africa/Abidjan"}[user])
        @cached
        async def inner(moment): return str(moment.replace(month=7))
        """,
        "await inner(datetime(2030, 1, 1, tzinfo=zone))",
    )
    assert await results(project, source) == [
        '"2030-07-01 00:00:00+01:00"',
        '"2030-07-01 00:00:00+00:00"',
        '"2030-07-01 00:00:00+01:00"',
    ]


async def test_what_is_worked_out_once_from_the_fields_is_no_part_of_the_key(project: Project) -> None:
    source = """
    import functools
    from dataclasses import dataclass
    from millpond import cached
    dynamic = "force-dynamic"
    runs = []
    @dataclass
    class Basket:
        prices: tuple[int, ...] = (1, 2)
        @functools.cached_property
        def total(self): return sum(self.prices)
    @cached
    async def described(basket):
        runs.append(1)
        return basket.total
    async def GET():
        basket = Basket()
        return [await described(basket), await described(basket), len(runs)]
    """
    project.routes({"/": source})
    async with project.started() as running:
        assert await running.body("/") == "[3,3,1]"


async def test_a_decorator_of_a_modules_own_function_may_hold_what_has_no_form(project: Project) -> None:
    source = """
    import functools
    from millpond import cached
    dynamic = "force-dynamic"
    class Policy: attempts = 3
    def trying_again(policy):
        def around(function):
            @functools.wraps(function)
            async def wrapper(*args): return [policy.attempts, await function(*args)]
            return wrapper
        return around
    @cached
    @trying_again(Policy())
    async def price(name): return name
    async def GET(): return await price("oak")
    """
    project.routes({"/": source})
    async with project.started() as running:
        assert await running.body("/") == '[3,"oak"]'


async def test_a_variable_that_isnt_assigned_yet_is_one_value(project: Project) -> None:
    source = """
    from millpond import cached
    dynamic = "force-dynamic"
    runs = 0
    async def GET():
        @cached
        async def inner():
            global runs
            runs += 1
            return [runs, "later" in locals()]
            later
        first = [await inner(), await inner()]
        later = 1
        return [*first, await inner()]
    """
    project.routes({"/": source})
    async with project.started() as running:
        assert await running.body("/") == "[[1,false],[1,false],[2,true]]"


async def test_a_function_of_a_module_that_is_captured_is_told_apart_by_its_code(project: Project) -> None:
    source = """
    from millpond import cached
    dynamic = "force-dynamic"
    runs = []
    def one(number=1): return number
    def two(number=2): return number + 0
    async def called(function):
        @cached
        async def inner():
            runs.append(function.__name__)
            return function()
        return await inner()
    async def GET(): return [await called(one), await called(two), await called(one), runs]
    """
    project.routes({"/": source})
    async with project.started() as running:
        assert await running.body("/") == '[1,2,1,["one","two"]]'
