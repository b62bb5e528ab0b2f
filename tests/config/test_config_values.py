"""Every key of millpond.toml: what it takes besides plain numbers, and one sentence for whatever it doesn't."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec
import pytest

from millpond.config import Config, parse_config
from millpond.config.values.quantities import Quantity, amount
from millpond.config.values.reading import _options, _quantity, _tables_in
from millpond.errors import ConfigError
from millpond.policy.compat import Compat

if TYPE_CHECKING:
    from collections.abc import Iterator

WRONG: list[Any] = [
    "nonsense",
    "",
    "two\nlines \x1b[31m",
    "\0",
    -1,
    10**40,
    1.5,
    math.nan,
    -math.inf,
    True,
    [],
    [[1]],
    ["nonsense"],
    {},
    {"nonsense": 1},
    datetime.date(2026, 1, 1),
]
COMPLETE: dict[str, Any] = {
    "cron": {"path": "/a", "schedule": "* * * * *"},
    "headers": {"source": "/a", "name": "X-A", "value": "b"},
    "redirects": {"source": "/a", "destination": "/b"},
    "revalidate_endpoint": {"secret_env": "A", "preset": "bearer", "tags": ["a"], "paths": ["/a"]},
    "map": {"tags": ["a"], "paths": ["/a"]},
    "cdn": {"headers": ["xkey", "surrogate-key", "cache-tag"], "cdn_cache_control": True},
    "cors": {"allow_origins": ["*"]},
    "varnish": {"kind": "varnish", "addresses": ["http://a"]},
    "fastly": {"kind": "fastly", "service": "a", "token_env": "A"},
    "cloudflare": {"kind": "cloudflare", "zone": "a", "token_env": "A"},
    "webhook": {"kind": "webhook", "url": "http://a", "secret_env": "A"},
}
"""What a table needs besides the key that is wrong."""


def fields(kind: type[msgspec.Struct], path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The keys of a table and of those in it, as paths into the values, with their types."""
    for field in msgspec.structs.fields(kind):
        own = (*path, field.name)
        yield own, field.type
        origin = get_origin(_options(field.type)[0])
        for table in _tables_in(field.type):
            tag = table.__struct_config__.tag
            inner: tuple[Any, ...] = ("some",) if origin is dict else ()
            if origin in (list, tuple):
                inner = (field.name,) if origin is tuple else (tag,)
            yield from fields(table, (*own, *inner))


KEYS = list(fields(Config))


def values_with(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A configuration with one value at `path`, and what its tables need besides."""
    name, *rest = path
    if not rest:
        return {name: value}
    if name in ("cron", "headers", "redirects", "purge", "map"):
        return {name: [{**COMPLETE[rest[0]], **values_with(tuple(rest[1:]), value)}]}
    return {name: {**COMPLETE.get(name, {}), **values_with(tuple(rest), value)}}


def problem(values: dict[str, Any]) -> str | None:
    try:
        parse_config(values, "millpond.toml")
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("path", "kind"), KEYS, ids=[".".join(map(str, path)) for path, _ in KEYS])
def test_whatever_a_key_says_is_taken_or_refused_in_one_sentence_that_names_it(
    path: tuple[Any, ...], kind: Any
) -> None:
    refused = 0
    for value in WRONG:
        message = problem(values_with(path, value))
        if message is None:
            continue
        refused += 1
        assert message.startswith("millpond.toml: "), message
        assert message.isprintable(), message
        for raw in ("Expected `", "Object ", "Invalid enum", "<class", "Quantity", "Traceback"):
            assert raw not in message, message
        if isinstance(value, dict | list) or str(path[-1]) not in ("secret", "schedule", "timezone"):
            assert str(path[-1]).strip("s") in message, message
    assert refused >= 5, kind


QUANTITIES = [(path, found) for path, kind in KEYS if (found := _quantity(kind)) is not None]


@pytest.mark.parametrize(("path", "quantity"), QUANTITIES, ids=[".".join(map(str, path)) for path, _ in QUANTITIES])
def test_every_size_and_duration_may_be_a_text_with_a_unit(path: tuple[Any, ...], quantity: Quantity) -> None:
    text = {Quantity.BYTES: "2kB", Quantity.SHARE: "5%"}.get(quantity, "2m")
    assert problem(values_with(path, text)) is None
    assert f"it must be {quantity.value}" in (problem(values_with(path, "2 parsecs")) or "")
    never = problem(values_with(path, math.inf))
    assert (never is None) is (quantity is Quantity.SECONDS_OR_NEVER), never


def test_each_number_of_bytes_and_of_seconds_is_a_quantity() -> None:
    words = ("bytes", "timeout", "seconds", "time", "age", "after", "stale", "expire", "down", "revalidate")
    plain = [".".join(map(str, path)) for path, kind in KEYS if _is_number(kind) and _quantity(kind) is None]
    assert [key for key in plain if key.rpartition(".")[2].endswith(words)] == []


def _is_number(kind: Any) -> bool:
    return any(option in (int, float) or get_args(option)[:1] in ((int,), (float,)) for option in _options(kind))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0B", 0),
        ("64MB", 64_000_000),
        ("1GB", 10**9),
        ("1GiB", 2**30),
        ("1 gib", 2**30),
        ("1.5kB", 1500),
        ("512KiB", 512 * 1024),
        ("2TB", 2 * 10**12),
        (4096, 4096),
        (4096.0, 4096),
        ("4096", None),
        ("64M", None),
        ("-1MB", None),
        ("1GB 2MB", None),
        (math.inf, None),
        (0.5, None),
        (True, None),
    ],
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(text: Any, number: int | None) -> None:
    assert amount(text, Quantity.BYTES) == number


@pytest.mark.parametrize(
    ("text", "share"),
    [(0, 0), (0.1, 0.1), ("10%", 0.1), ("2.5 %", 0.025), (1, None), ("100%", None), (-0.1, None), ("0.1", None)],
)
def test_a_share_is_a_number_below_1_or_percent(text: Any, share: float | None) -> None:
    assert amount(text, Quantity.SHARE) == share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("30 seconds", 30),
        ("5m", 300),
        ("5 min", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        (90, 90),
        (0.5, 0.5),
        ("30", None),
        ("1y", None),
        ("h", None),
        ("-1s", None),
        ("99999999d", None),
        (math.nan, None),
        (False, None),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_has_units(text: Any, seconds: float | None) -> None:
    assert amount(text, Quantity.SECONDS) == seconds


@pytest.mark.parametrize("version", [14, "14"])
def test_a_version_may_be_written_as_a_number(version: object) -> None:
    assert parse_config({"compat": version}, "millpond.toml").compat is Compat.V14


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"compat": 13}, '"compat" is 13; it must be "14", "15" or "16".'),
        (
            {"build": {"frozen": "eror"}},
            '"build.frozen" is "eror"; it must be "report" or "error". Did you mean "error"?',
        ),
        ({"max_bytes": 1}, 'there is no key "max_bytes"; did you mean "cache.max_bytes"?'),
        ({"cron": [{"path": "/a"}]}, '"cron[0].schedule" is missing; it must be a text in quotes.'),
        ({"cache": 1}, '"cache" is 1; it must be a table.'),
        ({"cron": {}}, '"cron" is a table; it must be a list of tables, each written [[cron]].'),
        ({"cache_life": {"x": 1}}, '"cache_life.x" is 1; it must be a table.'),
        ({"trailing_slash": "yes"}, '"trailing_slash" is "yes"; it must be true or false.'),
    ],
)
def test_a_message_says_what_is_allowed(values: dict[str, Any], says: str) -> None:
    assert problem(values) == f"millpond.toml: {says}"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"public_dir": "a\0"}, "public_dir"),
        ({"app": {"env_files": [".env", "\0"]}}, "app.env_files[1]"),
        ({"cache": {"path": "\0b"}}, "cache.path"),
        ({"revalidate_endpoint": {"secret_env": "A\0"}}, "revalidate_endpoint.secret_env"),
    ],
)
def test_no_text_has_a_nul_character(values: dict[str, Any], key: str) -> None:
    assert (
        problem(values) == f'millpond.toml: "{key}" has a NUL character in it; it must be a text in quotes without one.'
    )


def test_what_may_be_a_secret_in_a_wrong_place_is_not_shown() -> None:
    said = problem({"revalidate_endpoint": {"secret": 987_654_321}})
    assert said == 'millpond.toml: "revalidate_endpoint.secret" is a number; it must be a text in quotes.'
    assert "hunter2" not in (problem({"cache": {"store": ["valkey://:hunter2@host/0"]}}) or "hunter2")
