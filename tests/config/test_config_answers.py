"""`[[headers]]`, `[[redirects]]` and `[cors]`: what they may say, and what is said of what they may not."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from millpond.config import CorsConfig, HeaderConfig, RedirectConfig, parse_config
from millpond.errors import ConfigError

ALL = """
[[headers]]
source = "/docs/[[...path]]"
name = "X-Frame-Options"
value = "DENY"

[[redirects]]
source = "/old/[slug]"
destination = "https://new.example/[slug]"
status = 301
keep_query = false

[[redirects]]
source = "/blog/[...path]/"
destination = "/articles/[...path]"

[cors]
allow_origins = ["https://shop.example", "http://localhost:3000", "null"]
allow_methods = ["GET", "POST"]
allow_headers = ["X-Token"]
allow_credentials = true
allow_origin_regex = 'https://.*\\.shop\\.example'
allow_private_network = true
expose_headers = ["ETag"]
max_age = 0
"""


def problem(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(values, "millpond.toml")
    return str(caught.value).removeprefix("millpond.toml: ")


def redirect(source: str, destination: str, **others: Any) -> dict[str, Any]:
    return {"source": source, "destination": destination, **others}


def header(name: str, value: str = "x", source: str = "/") -> dict[str, Any]:
    return {"source": source, "name": name, "value": value}


def test_everything_that_can_be_said() -> None:
    config = parse_config(tomllib.loads(ALL), "millpond.toml")
    assert config.headers == (HeaderConfig("/docs/[[...path]]", "X-Frame-Options", "DENY"),)
    assert config.redirects == (
        RedirectConfig("/old/[slug]", "https://new.example/[slug]", 301, keep_query=False),
        RedirectConfig("/blog/[...path]/", "/articles/[...path]", 308, keep_query=True),
    )
    assert config.cors == CorsConfig(
        ("https://shop.example", "http://localhost:3000", "null"),
        ("GET", "POST"),
        ("X-Token",),
        allow_credentials=True,
        allow_origin_regex=r"https://.*\.shop\.example",
        allow_private_network=True,
        expose_headers=("ETag",),
        max_age=0,
    )


@pytest.mark.parametrize(
    ("values", "key", "guess"),
    [
        ({"header": []}, "header", "headers"),
        ({"redirect": []}, "redirect", "redirects"),
        ({"headers": [{"sorce": "/"}]}, "headers[0].sorce", "headers[0].source"),
        ({"redirects": [{"stauts": 301}]}, "redirects[0].stauts", "redirects[0].status"),
        ({"cors": {"allow_origin": ["*"]}}, "cors.allow_origin", "cors.allow_origins"),
    ],
)
def test_an_unknown_key_is_an_error_with_a_guess(values: dict[str, Any], key: str, guess: str) -> None:
    assert problem(**values) == f'there is no key "{key}"; did you mean "{guess}"?'


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("old", "with a leading slash"),
        ("/old//x", "no doubled one"),
        ("/old/:slug", '":slug" is not how a parameter is written here: write [name]'),
        ("/old/:path*", '":path*" is not how a parameter is written here'),
        ("/old/*", "[...name] for one or more"),
        ("/old/{slug}", '"{slug}" is not how a parameter is written here'),
        ("/(shop)/x", '"(shop)" is not how a parameter is written here'),
        ("/old/item-[id]", '"item-[id]" is no parameter: write [name], [...name] or [[...name]] as a whole segment'),
        ("/old/[[id]]", '"[[id]]" is no parameter'),
        ("/old/[....id]", '"[....id]" is no parameter'),
        ("/old/[]", '"[]" is no parameter'),
        ("/[...all]/x", "[...all] takes the rest of a path, so nothing can follow it"),
        ("/[a]/[...a]", "two of its parameters have the same name"),
        ("/old?x=1", "it has no query and no fragment"),
        ("/old/../x", "no path has the segments . and .."),
        ("/50%", 'write %25 for one'),
        ("/%ff", 'write %25 for one'),
    ],
)  # fmt: skip
def test_a_source_that_is_no_pattern_is_an_error_that_says_what_to_write(source: str, said: str) -> None:
    of_redirect, of_header = problem(redirects=[redirect(source, "/")]), problem(headers=[header("x", source=source)])
    assert of_redirect.startswith(f'"redirects.source" is "{source}": ')
    assert of_header.startswith(f'"headers.source" is "{source}": ')
    assert said in of_redirect
    assert said in of_header


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        ("new", 'must be a path such as "/new/[slug]", or a URL'),
        ("javascript:alert(1)", 'must be a path such as "/new/[slug]", or a URL'),
        ("//evil.example/[slug]", 'write "https://evil.example/[slug]"'),
        ("https:/evil", "or a URL with https:// or http://"),
        ("https://user@evil.example/", "or a URL with https:// or http://"),
        ("https://shop.example\\@evil.example/", "or a URL with https:// or http://"),
        ("https://[slug].example/", "a parameter in the host of a destination would lead visitors to any host"),
        ("https://[slug]", "a parameter in the host of a destination would lead visitors to any host"),
        ("/new//[slug]", "has two slashes where one is meant"),
        ("/new/[name]", "its destination has the parameter [name], but its source has [slug]"),
        ("/new?x=[name]", "its destination has the parameter [name], but its source has [slug]"),
        ("/new/[...slug]", "its destination has the parameter [...slug], but its source has [slug]"),
        ("/new/item-[slug]", '"item-[slug]" in its destination is no parameter'),
        ("/new#[slug]", "the fragment of its destination can have no parameters"),
        ("/new/%zz", "write %25 for one"),
        ("/new/%2E%2e/x", "has a segment . or .."),
    ],
)
def test_a_destination_that_leads_nowhere_or_anywhere_is_an_error(destination: str, said: str) -> None:
    told = problem(redirects=[redirect("/old/[slug]", destination)])
    assert told.startswith(f'the redirect of /old/[slug] to "{destination}": ')
    assert said in told


def test_a_status_that_no_client_follows_is_an_error() -> None:
    told = problem(redirects=[redirect("/old", "/new", status=304)])
    assert told == '"redirects.status" of /old is 304; it must be 301, 302, 303, 307 or 308.'


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/old", "/old"),
        ("/old/[a]", "/old/[b]/"),
        ("/old/[...rest]", "/old/x"),
        ("/old/[...rest]", "/old/x/[...deeper]"),
        ("/[[...all]]", "/"),
        ("/[[...all]]", "/old/[a]/x"),
        ("/%6Fld", "/old"),
    ],
)
def test_a_redirect_that_is_never_reached_is_an_error(first: str, second: str) -> None:
    assert problem(redirects=[redirect(first, "https://a.example"), redirect(second, "https://b.example")]) == (
        f"the redirect of {second} is never reached, as that of {first} comes before it and takes the same paths; "
        "change their order, or delete one."
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [("/old/x", "/old/[...rest]"), ("/old/[a]", "/old/[...rest]"), ("/old/[a]", "/old"), ("/[a]/x", "/[a]/y")],
)
def test_a_redirect_that_is_reached_by_some_paths_is_none(first: str, second: str) -> None:
    parse_config({"redirects": [redirect(first, "https://a.example"), redirect(second, "https://b.example")]}, "x")


@pytest.mark.parametrize(
    "redirects",
    [
        [("/old", "/old/")],
        [("/old", "/old?x=1")],
        [("/a", "/b"), ("/b", "/a")],
        [("/a/[x]", "/b/[x]"), ("/b/[...y]", "/c/[...y]"), ("/c/[x]", "/a/[x]")],
        [("/docs/[[...path]]", "/docs/latest/[[...path]]")],
        [("/[lang]/x", "/en/x")],
    ],
)
def test_a_redirect_in_a_circle_is_an_error(redirects: list[tuple[str, str]]) -> None:
    (source, destination), *_ = redirects
    said = problem(redirects=[redirect(*each) for each in redirects])
    assert said == f"the redirect of {source} to {destination} leads back to itself, again and again."


def test_redirects_that_lead_to_each_other_and_then_away_are_none() -> None:
    steps = [("/docs/latest/[[...path]]", "/new/[[...path]]"), ("/docs/[[...path]]", "/docs/latest/[[...path]]")]
    parse_config({"redirects": [redirect(*each) for each in steps]}, "millpond.toml")
    parse_config({"redirects": [redirect("/a", "https://shop.example/a")]}, "millpond.toml")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("x y", "1", "isn't a valid header"),
        ("", "1", "isn't a valid header"),
        ("x", "a\r\nset-cookie: b", "isn't a valid header"),
        ("x:y", "1", "isn't a valid header"),
        ("x", "é", "has a character that isn't ASCII"),
        ("x", "", "has an empty value, or one with spaces around it"),
        ("x", " a", "has an empty value, or one with spaces around it"),
        ("Content-Length", "1", "is set by the server"),
        ("Transfer-Encoding", "chunked", "is set by the server"),
        ("Connection", "close", "is set by the server"),
        ("Set-Cookie", "a=b", "differs from answer to answer: set it in the handler"),
        ("ETag", '"a"', "differs from answer to answer: set it in the handler"),
    ],
)
def test_a_header_that_no_answers_can_share_is_an_error(name: str, value: str, said: str) -> None:
    assert problem(headers=[header(name, value)]).startswith(f'the header "{name}" of / {said}')


def test_a_header_of_cors_is_an_error_only_beside_cors() -> None:
    headers = [header("Access-Control-Allow-Origin", "*")]
    parse_config({"headers": headers}, "millpond.toml")
    told = problem(headers=headers, cors={"allow_origins": ["*"]})
    assert told == 'the header "Access-Control-Allow-Origin" of / is set by [cors].'


def test_a_header_that_is_there_twice_is_an_error() -> None:
    twice = [header("X-A", "1", "/[a]"), header("x-a", "2", "/[b]")]
    assert problem(headers=twice) == 'the header "x-a" of /[b] is there twice; only the last one would count.'
    parse_config({"headers": [header("X-A", "1", "/[a]"), header("X-A", "2", "/[...a]")]}, "millpond.toml")


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("https://Shop.example/", 'did you mean "https://shop.example"?'),
        ("https://shop.example/path", 'did you mean "https://shop.example"?'),
        ("https://*.shop.example", 'for several hosts set "allow_origin_regex".'),
        ("shop.example", 'an origin looks like "https://shop.example".'),
        ("https://a.example, https://b.example", 'did you mean "https://a.example"?'),
    ],
)
def test_an_origin_that_no_browser_sends_is_an_error(origin: str, said: str) -> None:
    told = problem(cors={"allow_origins": [origin]})
    assert told == f'"cors.allow_origins" has "{origin}", which no browser sends; {said}'


@pytest.mark.parametrize(
    ("cors", "said"),
    [
        ({}, '[cors] allows no origin: set "allow_origins" or "allow_origin_regex", or delete the table.'),
        ({"allow_origin_regex": "("}, '"cors.allow_origin_regex" is no regular expression: missing )'),
        ({"allow_origins": ["*"], "allow_methods": ["get"]}, '"cors.allow_methods" has "get"; did you mean "GET"?'),
        ({"allow_origins": ["*"], "allow_headers": ["A, B"]}, '"cors.allow_headers" has "A, B", which is not a name'),
        (
            {"allow_origins": ["*"], "expose_headers": ["A\nB"]},
            r'"cors.expose_headers" has "A\nB", which is not a name',
        ),
        ({"allow_origins": ["*"], "max_age": -1}, '"cors.max_age" is -1; it must be 0 or more.'),
        ({"allow_origins": "*"}, '"cors.allow_origins" is "*"; it must be a list of texts'),
    ],
)
def test_a_value_of_cors_that_means_nothing_is_an_error(cors: dict[str, Any], said: str) -> None:
    assert problem(cors=cors).startswith(said)
