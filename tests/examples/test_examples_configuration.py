"""docs/reference.md and docs/crons.md name every key of millpond.toml, with the default that it has."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec
import pytest
from document_tables import DOCS, REFERENCE, REPOSITORY, codes, name_of, table

from millpond.cache.invalidation_order import OrderBody
from millpond.config import STORES, CacheLife, CdnConfig, Config, CronConfig, HeaderConfig, RedirectConfig
from millpond.config.cdn_config import AnyPurgerConfig, PurgerConfig
from millpond.config.values.reading import ONE_OR_MORE
from millpond.telemetry.instruments import INSTRUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CRONS = REPOSITORY / "docs" / "crons.md"
UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
REQUIRED = "required"
"""In place of a default."""


def keys_of(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(key, default) of a table, and of the tables in it. A list of tables is one key; what is in it is told apart."""
    for field in msgspec.structs.fields(kind):
        one_or_more = ONE_OR_MORE in getattr(field.type, "__metadata__", ())
        of = get_args(field.type)[0] if one_or_more else field.type
        inner = [each for each in (of, *get_args(of)) if is_table(each)]
        default = REQUIRED if field.required else field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if get_origin(field.type) is dict and inner:
            yield from keys_of(inner[0], f"{prefix}{field.name}.NAME.")
        elif inner and get_origin(of) is tuple and not one_or_more:
            yield f"[[{prefix}{field.name}]]", None
        elif inner:
            yield from keys_of(inner[0], f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", default


def is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def keys_in(cell: str) -> list[str]:
    """The keys of a cell: `.expire` behind `a.NAME.stale` is `a.NAME.expire`."""
    first, *others = codes(cell)
    return [first, *(f"{first.rpartition('.')[0]}{other}" for other in others)]


def said(cell: str) -> Any:
    """The value of a cell; None where it has none, or describes it."""
    number = re.fullmatch(r"([\d.]+)(?: (KiB|MiB|GiB))?", cell)
    if number:
        return float(number[1]) * UNITS.get(number[2], 1)
    if not re.fullmatch(r"`[^`]+`", cell):
        return None
    return tomllib.loads(f"value = {cell[1:-1]}")["value"]


def as_toml(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_reference_lists_every_key_with_its_default() -> None:
    rows = table(REFERENCE, "`millpond.toml`", "key")
    listed = {key: said(default) for keys, default, _ in rows for key in keys_in(keys)}
    real = {key: as_toml(default) for key, default in keys_of(Config)}
    assert listed == real


def test_a_key_that_has_another_default_in_each_store_is_listed_with_both() -> None:
    (cell,) = [default for key, default, _ in table(REFERENCE, "`millpond.toml`", "key") if key == "`cache.max_bytes`"]
    file, memory = [said(size) for size in re.findall(r"\d+ \w+", cell)]
    assert (file, memory) == (STORES["lmdb"], STORES["memory"])
    assert STORES["valkey"] == STORES["lmdb"]


def test_the_page_on_crons_lists_every_key_with_its_default() -> None:
    listed = {codes(key)[0]: said(default) for key, default, _ in table(CRONS, "Crons", "key")}
    assert listed == {key: None if default == REQUIRED else default for key, default in keys_of(CronConfig)}


def test_the_reference_lists_every_key_of_headers_and_redirects_with_its_default() -> None:
    listed: dict[str, dict[str, Any]] = {}
    name = ""
    for first, keys, default, _ in table(REFERENCE, "Headers, redirects and CORS", "table"):
        name = (codes(first) or [name])[0]
        for key in codes(keys):
            listed.setdefault(name, {})[key] = default if default == REQUIRED else said(default)
    assert listed == {"[[headers]]": dict(keys_of(HeaderConfig)), "[[redirects]]": dict(keys_of(RedirectConfig))}


def test_the_reference_lists_every_key_of_caches_in_front() -> None:
    rows = table(REFERENCE, "Caches in front", "`kind`")
    listed: dict[str, dict[str, Any]] = {}
    kind = ""
    for first, keys, _ in rows:
        kind = (codes(first) or [first])[0] if first else kind
        for key in codes(keys):
            name, _, default = key.partition(" = ")
            listed.setdefault(kind.strip('"'), {})[name] = said(f"`{default}`") if default else None
    common = dict(keys_of(PurgerConfig))
    assert listed.pop("all") == common
    assert listed == {
        str(each.__struct_config__.tag): {
            key: None if default == REQUIRED else default for key, default in keys_of(each) if key not in common
        }
        for each in get_args(AnyPurgerConfig)
    }


def test_the_reference_lists_every_field_of_a_call_of_the_endpoint() -> None:
    listed = [name for row in table(REFERENCE, "`[revalidate_endpoint]`", "field") for name in codes(row[0])]
    assert sorted(listed) == sorted(OrderBody.__struct_fields__)


@pytest.mark.parametrize("document", DOCS, ids=name_of)
def test_a_key_that_a_document_names_is_one(document: Path) -> None:
    """Such as `server.max_body_bytes`: what begins like a table of the configuration."""
    whole = [*dict(keys_of(Config)), *(f"cdn.{key}" for key, _ in keys_of(CdnConfig))]
    heads = {key.partition(".")[0] for key in whole if "." in key} - {"app"}  # as the application is called, too
    named = [span for span in codes(document.read_text("utf-8")) if re.fullmatch(r"[a-z_]+\.[a-z_]+", span)]
    attributes = {attribute for each in INSTRUMENTS for attribute in each.attributes}
    keys = {name for name in named if name.partition(".")[0] in heads} - attributes
    assert sorted(keys - set(whole)) == []


def test_a_key_of_a_table_by_name_is_listed_with_the_word_for_its_name() -> None:
    assert [key for key, _ in keys_of(CacheLife, "x.")] == keys_in("`x.stale`, `.revalidate`, `.expire`, `.jitter`")
