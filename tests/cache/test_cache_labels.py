"""What entries of data are called: enough to know them again, and nothing that lets somebody in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from upstreams import upstream

from millpond.cache.fetching.fetch_label import LONGEST, fetch_label
from millpond.cache.functions.call_label import call_label

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio


class Customer(BaseModel):
    name: str = "somebody"


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        ({}, "f()"),
        ({"category": "chairs", "page": 2}, "f(category='chairs', page=2)"),
        ({"password": "hunter2", "api_key": "k", "token": 1}, "f(password=***, api_key=***, token=***)"),
        ({"given": SecretStr("hunter2")}, "f(given=***)"),
        ({"customer": Customer()}, "f(customer=<Customer>)"),
        ({"several": [Customer()]}, "f(several=<list>)"),
        ({"several": ["a", "b"], "by": {"name": 1}}, "f(several=['a', 'b'], by={'name': 1})"),
        ({"by": {"secret": "hunter2"}}, "f(by=<dict>)"),
        ({f"p{n}": n for n in range(10)}, "f(p0=0, p1=1, p2=2, p3=3, p4=4, p5=5, p6=6, p7=7, …)"),
    ],
)
def test_a_call_is_called_by_its_function_and_arguments(arguments: dict[str, object], label: str) -> None:
    assert call_label("f()", arguments) == label


@given(name=st.text(min_size=1, max_size=9), value=st.text() | st.binary() | st.lists(st.text()) | st.floats())
def test_a_label_is_bounded_and_can_be_stored(name: str, value: object) -> None:
    assert len(call_label("f()", {name: value, "more": [value] * 100})) <= LONGEST + 1
    call_label("f()", {name: value, "\ud800": "\udfff"}).encode()


def test_values_of_the_environment_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2hunter2")
    assert call_label("f()", {"a": "is hunter2hunter2"}) == "f(a='is $SHOP_PASSWORD')"
    assert fetch_label("GET https://a.example/hunter2hunter2") == "GET https://a.example/$SHOP_PASSWORD"


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("https://a.example/b?c=1", "https://a.example/b?c=1"),
        ("https://a.example/b?api_key=abc&c=1", "https://a.example/b?api_key=***&c=1"),
        ("https://a.example/b?c=1&accessToken=abc", "https://a.example/b?c=1&accessToken=***"),
        ("https://a.example/b?X-Amz-Signature=abc", "https://a.example/b?X-Amz-Signature=***"),
        ("https://user:secret@a.example/b", "https://***@a.example/b"),
    ],
)
def test_a_url_is_shown_without_what_lets_somebody_in(url: str, label: str) -> None:
    assert fetch_label(f"GET {url}") == f"GET {label}"


ROUTE = """
from millpond import cached, fetch
dynamic = "force-dynamic"
URL = ""
@cached(revalidate=60)
async def price_range(category: str, currency: str = "EUR"):
    return [1, 2]
async def GET():
    await price_range("chairs")
    return (await fetch(URL, revalidate=60)).text
"""


async def test_entries_keep_what_was_fetched_and_called(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = f"{source.url}/x?token=abc"
        await running.get("/")
        labels = {entry.kind: entry.label for entry in running.pond.store.entries()}
    assert labels == {
        "fetch": f"GET {source.url}/x?token=***",
        "function": "price_range(category='chairs', currency='EUR')",
    }
