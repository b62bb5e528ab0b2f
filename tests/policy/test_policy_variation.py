"""What of a request selects a variant, and what doesn't."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import cookie_parser

from millpond.policy.key import folders_in, path_in, response_key, variant_in
from millpond.policy.segment import InvalidOption, SegmentConfig, parse_segment_config
from millpond.policy.variants.variation import NoVariant, Variation

if TYPE_CHECKING:
    from millpond.policy.variants.variant import Variant

VARY = {"accept-language": ["en", "de"], "cookie:theme": ["light", "dark"], "header:x-plan": ["free", "pro"]}
Headers = list[tuple[bytes, bytes]]


def variation(**options: object) -> Variation:
    found = parse_segment_config(options).variation
    assert found is not None
    return found


def chosen(given: Headers, **options: object) -> Variant:
    varies = variation(**options)
    return varies.variant_of(varies.selection.of(given))


def values(*given: tuple[bytes, bytes]) -> list[str]:
    return [value for _, value in chosen(list(given), cache_vary=VARY).values]


def test_what_a_request_says_is_normalised() -> None:
    assert values() == ["en", "light", "free"]
    told = values((b"accept-language", b"de-CH,fr;q=0.3"), (b"cookie", b"a=b; theme=dark"), (b"x-plan", b"pro"))
    assert told == ["de", "dark", "pro"]


@pytest.mark.parametrize(
    ("cookies", "theme"),
    [
        ([b"theme=dark"], "dark"),
        ([b'theme="dark"'], "dark"),
        ([b"theme = dark ;x=y"], "dark"),
        ([b"a=1;theme=dark;b=2"], "dark"),
        ([b"theme=%64ark"], "dark"),
        ([b"theme=light; theme=dark"], "dark"),  # the last one, as Starlette reads them
        ([b"theme=dark; theme=light"], "light"),
        ([b"theme=light", b"theme=dark"], "dark"),
        ([b"theme=dark", b"x=y"], "dark"),
        ([b"theme=DARK"], "light"),
        ([b"Theme=dark"], "light"),
        ([b"mytheme=dark"], "light"),
        ([b"x=theme=dark"], "light"),
        ([b"theme=dark\xff"], "light"),
        ([b"theme="], "light"),
        ([b'theme="'], "light"),
        ([b"theme"], "light"),
        ([b"theme=dark" + b"k" * 100_000], "light"),
    ],
)
def test_a_cookie_counts_if_it_has_a_listed_value(cookies: list[bytes], theme: str) -> None:
    assert values(*((b"cookie", each) for each in cookies))[1] == theme


@given(st.lists(st.text(st.sampled_from("theme=;, \tdarkxl"), max_size=30), min_size=1, max_size=3))
def test_a_cookie_is_the_one_that_starlette_reads(lines: list[str]) -> None:
    read: dict[str, str] = {}
    for line in lines:
        read |= cookie_parser(line)
    offered = ["none", "dark", "x", "l"]
    told = chosen([(b"cookie", line.encode()) for line in lines], cache_vary={"cookie:theme": offered})
    value = read.get("theme")
    assert told.values[0][1] == (value if value in offered else "none")


@pytest.mark.parametrize(
    ("lines", "plan"),
    [
        ([b"pro"], "pro"),
        ([b" pro\t"], "pro"),
        ([b"PRO"], "free"),
        ([b"pro", b"pro"], "free"),
        ([b"pro,free"], "free"),
        ([b"p" * 100_000], "free"),
        ([b"\xff"], "free"),
    ],
)
def test_a_header_counts_if_it_has_a_listed_value(lines: list[bytes], plan: str) -> None:
    assert values(*((b"x-plan", each) for each in lines))[2] == plan


def test_languages_of_several_lines_are_one_list() -> None:
    assert values((b"accept-language", b"fr"), (b"accept-language", b"de;q=0.1"))[0] == "de"


def test_nothing_else_of_a_request_is_looked_at() -> None:
    others: Headers = [(b"user-agent", b"x"), (b"x-forwarded-host", b"b.example"), (b"forwarded", b"host=b.example")]
    assert chosen([(b"host", b"a.example"), *others], cache_host=True).text == "host=a.example"
    assert variation(cache_host=True, cache_vary=VARY).selection.of(others) == ()


@pytest.mark.parametrize(
    ("hosts", "status"),
    [([], 400), ([b"a.example", b"a.example"], 400), ([b"a example"], 400), ([b""], 400), ([b"b.example"], 421)],
)
def test_a_request_needs_one_host_that_is_listed(hosts: list[bytes], status: int) -> None:
    given = [(b"host", each) for each in hosts]
    with pytest.raises(NoVariant) as refused:
        chosen(given, cache_host=True, hosts=["a.example"])
    assert refused.value.status == status
    varies = variation(cache_host=True, hosts=["a.example"], cache_vary=VARY)
    live = varies.live_variant_of(varies.selection.of([*given, (b"x-plan", b"pro")]))
    assert live.host is None
    assert live.values[2] == ("header:x-plan", "pro")


def test_what_a_render_sees_selects_the_same_variant() -> None:
    varies = variation(cache_host=True, hosts=["a.example", "[::1]"], cache_vary=VARY)
    known = varies.known(100)
    assert len(known) == len({variant.text for variant in known}) == 16
    assert [varies.variant_of(varies.selection.of(variant.headers)) for variant in known] == known


def test_what_a_live_run_sees_of_the_values_is_what_a_render_sees() -> None:
    given: Headers = [
        (b"host", b"A.example:8000"),
        (b"cookie", b"session=1; theme=dark; theme=x"),
        (b"accept-language", b"de-CH"),
        (b"cookie", b"theme=light"),
        (b"user-agent", b"x"),
    ]
    assert sorted(chosen(given, cache_host=True, cache_vary=VARY).normalised(given)) == [
        (b"accept-language", b"de"),
        (b"cookie", b"session=1"),
        (b"cookie", b"theme=light"),
        (b"host", b"A.example:8000"),
        (b"user-agent", b"x"),
        (b"x-plan", b"free"),
    ]


def test_more_combinations_than_the_bound_leave_the_default() -> None:
    varies = variation(cache_host=True, hosts=["a.example", "b.example"], cache_vary=VARY)
    assert varies.combinations == 8
    assert {variant.text.partition("&")[2] for variant in varies.known(7)} == {
        "accept-language=en&cookie:theme=light&header:x-plan=free"
    }
    assert len(varies.known(7)) == 2


def test_hosts_are_known_if_all_are_listed_by_name() -> None:
    told = [variation(cache_host=True, hosts=hosts) for hosts in (["a.example"], ["a.example", "*.b.example"])]
    assert [each.is_finite for each in (*told, variation(cache_host=True), variation(cache_vary=VARY))] == [
        *(True, False),
        *(False, True),
    ]
    assert [each.known_hosts for each in told] == [("a.example",), ("a.example",)]


def test_vary_names_headers_once_and_never_the_host() -> None:
    two = {"cookie:a": ["1"], "cookie:b": ["1"], **VARY}
    assert variation(cache_host=True, cache_vary=two).vary == (b"cookie", b"accept-language", b"x-plan")
    assert variation(cache_host=True).vary == ()


def test_keys_of_other_routes_stay_as_they_are() -> None:
    assert response_key("app/route.py", "/a") == "response\0app/route.py\0/a\0"
    assert variant_in(response_key("app/route.py", "/a")) is None
    assert parse_segment_config({}).variation is None
    assert SegmentConfig(cache_host=False, hosts=("a.example",)).variation is None


def test_a_key_tells_its_path_its_folders_and_its_variant() -> None:
    key = response_key("app/(main)/x/route.py", "/x", "q=1", variant="host=a.example&cookie:theme=dark")
    assert (path_in(key), folders_in(key), variant_in(key)) == ("/x", "/(main)/x", "host=a.example&cookie:theme=dark")


def test_no_two_variants_have_one_key() -> None:
    offered = {"header:a": ["1", "1&header:b=2", "%"], "header:b": ["2", "1&header:b=2", "%25", "2&x"]}
    texts = [variant.text for variant in variation(cache_vary=offered).known(100)]
    assert all(one != other for one, other in itertools.combinations(texts, 2))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"cache_host": "a.example"}, "cache_host takes True or False"),
        ({"cache_host": True, "hosts": "a.example"}, "hosts takes a list of host names"),
        ({"cache_host": True, "hosts": []}, "hosts takes a list of host names"),
        ({"cache_host": True, "hosts": [1]}, "hosts takes a list of host names"),
        ({"cache_host": True, "hosts": ["a.example", "A.example"]}, '"a.example" is listed twice'),
        ({"cache_host": True, "hosts": ["a.example:80"]}, "has a port"),
        ({"cache_vary": ["accept-language"]}, "cache_vary takes a dict"),
        ({"cache_vary": {}}, "cache_vary takes a dict"),
        ({"cache_vary": {"accept-language": "en"}}, "needs a list of texts"),
        ({"cache_vary": {"accept-language": []}}, "needs a list of texts"),
        ({"cache_vary": {"accept-language": ["en", "EN"]}}, 'the value "en" twice'),
        ({"cache_vary": {"accept-language": ["*"]}}, 'can\'t have the value "*"'),
        ({"cache_vary": {"theme": ["a"]}}, 'not "theme"'),
        ({"cache_vary": {"cookie": ["a"]}}, "name the cookie"),
        ({"cache_vary": {"cookie:": ["a"]}}, 'no cookie can be called ""'),
        ({"cache_vary": {"cookie:a b": ["a"]}}, 'no cookie can be called "a b"'),
        ({"cache_vary": {"cookie:a": ["x;y"]}}, 'can\'t have the value "x;y"'),
        ({"cache_vary": {"cookie:__prerender_bypass": ["a"]}}, "draft mode"),
        ({"cache_vary": {"header:host": ["a"]}}, "write cache_host = True"),
        ({"cache_vary": {"header:Cookie": ["a"]}}, "name the cookie"),
        ({"cache_vary": {"header:accept-language": ["en"]}}, 'write "accept-language"'),
        ({"cache_vary": {"header:authorization": ["a"]}}, "no variant for everybody"),
        ({"cache_vary": {"header:if-none-match": ["a"]}}, "doesn't select an answer"),
        ({"cache_vary": {"header:range": ["a"]}}, "doesn't select an answer"),
        ({"cache_vary": {"header:": ["a"]}}, 'no header can be called ""'),
        ({"cache_vary": {"header:a b": ["a"]}}, 'no header can be called "a b"'),
        ({"cache_vary": {"header:a": ["x\r\ny"]}}, "can't have the value"),
        ({"cache_vary": {"header:a": [" x"]}}, "can't have the value"),
        ({"cache_vary": {"header:a": ["x"], "header:A": ["y"]}}, '"header:a" is there twice'),
        ({"cache_vary": {"header:a": [str(n) for n in range(101)]}}, "are over 100"),
        ({"cache_vary": {f"header:{n}": ["a"] for n in range(9)}}, "9 names are over 8"),
    ],
)
def test_an_option_that_makes_no_sense_says_what_it_takes(options: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        parse_segment_config(options)
    assert why in str(refused.value)
