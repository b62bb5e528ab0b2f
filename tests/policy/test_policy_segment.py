"""Segment config: the values of R2.1, their meaning in R2.14 to R2.19 and K.4, and D16."""

from __future__ import annotations

import math
from typing import Any

import pytest

from millpond.policy.segment import (
    OPTION_NAMES,
    Dynamic,
    FetchCache,
    InvalidOption,
    SegmentConfig,
    parse_segment_config,
)


def test_a_module_without_options_has_none() -> None:
    assert parse_segment_config({}) == SegmentConfig()
    assert parse_segment_config({"GET": print, "Dynamic": "force-static", "fetchCache": "x"}) == SegmentConfig()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *[("dynamic", member.value, member) for member in Dynamic],
        *[("fetch_cache", member.value, member) for member in FetchCache],
        ("revalidate", False, False),
        ("revalidate", 0, 0),
        ("revalidate", 60, 60),
        ("dynamic_params", True, True),
        ("dynamic_params", False, False),
        ("max_duration", 0, 0),
        ("max_duration", 300, 300),
    ],
)
def test_allowed_values(name: str, value: object, expected: object) -> None:
    found = getattr(parse_segment_config({name: value}), name)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dynamic", "static"),
        ("dynamic", "force_static"),
        ("dynamic", "Auto"),
        ("dynamic", ""),
        ("dynamic", None),
        ("dynamic", True),
        ("dynamic", ["auto"]),
        ("fetch_cache", "no-store"),
        ("fetch_cache", None),
        ("revalidate", True),
        ("revalidate", -1),
        ("revalidate", 1.5),
        ("revalidate", 60.0),
        ("revalidate", "60"),
        ("revalidate", None),
        ("revalidate", math.inf),
        ("revalidate", math.nan),
        ("dynamic_params", 1),
        ("dynamic_params", "true"),
        ("dynamic_params", None),
        ("max_duration", -1),
        ("max_duration", True),
        ("max_duration", 1.5),
        ("max_duration", None),
    ],
)
def test_other_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidOption) as caught:
        parse_segment_config({name: value})
    assert (caught.value.name, caught.value.value) == (name, value)
    assert repr(value) in str(caught.value)


def test_the_message_lists_what_is_allowed() -> None:
    with pytest.raises(InvalidOption, match='"auto", "force-dynamic", "force-static" or "error"'):
        parse_segment_config({"dynamic": "static"})


def test_the_option_names_are_the_fields_of_the_config() -> None:
    assert set(OPTION_NAMES) == set(SegmentConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    ("constants", "opts_in"),
    [
        ({}, False),
        ({"revalidate": False}, True),
        ({"revalidate": 0}, False),
        ({"revalidate": 1}, True),
        ({"dynamic": "auto"}, False),
        ({"dynamic": "error"}, True),
        ({"dynamic": "force-dynamic"}, False),
        ({"dynamic": "force-static", "revalidate": 0}, True),
        ({"fetch_cache": "force-cache"}, False),
        ({"dynamic_params": False}, False),
    ],
)
def test_what_opts_in_to_static(constants: dict[str, Any], opts_in: bool) -> None:
    assert parse_segment_config(constants).opts_in is opts_in


@pytest.mark.parametrize(
    ("constants", "never_cached"),
    [
        ({}, False),
        ({"revalidate": 0}, True),
        ({"revalidate": False}, False),
        ({"revalidate": 60}, False),
        ({"dynamic": "force-dynamic"}, True),
        ({"dynamic": "force-dynamic", "revalidate": 60}, True),
        ({"dynamic": "force-static", "revalidate": 60}, False),
        ({"dynamic": "force-static", "revalidate": 0}, True),
        ({"dynamic": "error", "revalidate": 0}, True),
    ],
)
def test_what_is_never_cached(constants: dict[str, Any], never_cached: bool) -> None:
    assert parse_segment_config(constants).never_cached is never_cached


def test_the_modes_exclude_each_other() -> None:
    def modes(dynamic: Dynamic | None) -> tuple[bool, bool, bool]:
        config = SegmentConfig(dynamic=dynamic)
        return config.forces_static, config.forbids_dynamic, config.forces_dynamic

    assert modes(None) == modes(Dynamic.AUTO) == (False, False, False)
    assert modes(Dynamic.FORCE_STATIC) == (True, False, False)
    assert modes(Dynamic.ERROR) == (False, True, False)
    assert modes(Dynamic.FORCE_DYNAMIC) == (False, False, True)


def test_only_an_explicit_false_closes_the_parameters() -> None:
    assert not SegmentConfig().closed
    assert not SegmentConfig(dynamic_params=True).closed
    assert SegmentConfig(dynamic_params=False).closed
