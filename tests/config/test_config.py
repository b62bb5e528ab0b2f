"""millpond.toml: what it may say, and what is said of what it may not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

import other_users
from millpond.config import Config, load_config, parse_config
from millpond.errors import ConfigError
from millpond.policy.compat import Compat
from millpond.policy.profiles import BUILT_IN, Profile


def problem(values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(values, "millpond.toml")
    return str(caught.value)


def test_a_project_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()
    assert Config().compat is Compat.V16
    assert Config().expire_time == 31_536_000


def test_pyproject_may_hold_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.millpond]\ncompat = "15"\n')
    assert load_config(tmp_path).compat is Compat.V15


def test_two_configurations_are_an_error_that_names_both(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.millpond]\ncompat = "15"\n')
    (tmp_path / "millpond.toml").write_text("")
    with pytest.raises(ConfigError, match=r"millpond\.toml and \[tool\.millpond\] in pyproject\.toml"):
        load_config(tmp_path)


@pytest.mark.parametrize("content", ["tool = 5", "[tool]\nmillpond = 5", "[tool]\nmillpond = []", "tool.fastapi = 1"])
def test_a_pyproject_with_something_else_in_place_of_tables_raises_no_python_error(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    if "millpond" in content:
        with pytest.raises(ConfigError, match=r"pyproject\.toml: \[tool\.millpond\] must be a table\."):
            load_config(tmp_path)
    else:
        assert load_config(tmp_path) == Config()


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "millpond.toml").write_bytes(b'\xef\xbb\xbfcompat = "15"\n')
    assert load_config(tmp_path).compat is Compat.V15


def test_a_pyproject_without_our_table_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    assert load_config(tmp_path) == Config()


@pytest.mark.parametrize("content", [b"compat = ", b"\xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "millpond.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"millpond\.toml is not valid TOML"):
        load_config(tmp_path)


@pytest.mark.parametrize("name", ["millpond.toml", "pyproject.toml"])
def test_what_stands_in_the_place_of_a_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=rf"{name} can't be read: Is a directory\."):
        load_config(tmp_path)


@other_users.needed
def test_a_file_of_another_user_is_named_with_its_owner() -> None:
    with tempfile.TemporaryDirectory(prefix="millpond-") as folder:  # others may not enter the folder of the tests
        file = Path(folder) / "millpond.toml"
        file.parent.chmod(0o755)
        file.write_text("")
        file.chmod(0o600)
        work = f"from millpond.config import load_config; load_config(Path({folder!r}))"
        said = other_users.said_by(other_users.OTHER, work)
    assert said.startswith(f"ConfigError {file} can't be read: Permission denied. {file} belongs to root (uid 0)")


@pytest.mark.parametrize(
    ("values", "key", "guess"),
    [
        ({"compt": "16"}, "compt", "compat"),
        ({"cache": {"max_byte": 1}}, "cache.max_byte", "cache.max_bytes"),
        ({"build": {"timeuot": 1}}, "build.timeuot", "build.timeout"),
        ({"server": {"max_path_byte": 1}}, "server.max_path_byte", "server.max_path_bytes"),
        ({"cache_life": {"x": {"expires": 1}}}, "cache_life.x.expires", "cache_life.x.expire"),
        ({"revalidate_endpoint": {"secrets": "x"}}, "revalidate_endpoint.secrets", "revalidate_endpoint.secret"),
    ],
)
def test_an_unknown_key_is_an_error_with_a_guess(values: dict[str, Any], key: str, guess: str) -> None:
    assert problem(values) == f'millpond.toml: there is no key "{key}"; did you mean "{guess}"?'


def test_an_unknown_key_that_resembles_none_lists_what_there_is() -> None:
    assert '"concurrency", "workers", "timeout" or "frozen"' in problem({"build": {"zzz": 1}})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"compat": "13"}, '"compat"'),
        ({"compat": 17}, '"compat" is 17; it must be "14", "15" or "16".'),
        ({"cache": {"max_bytes": "1 Gb/s"}}, '"cache.max_bytes"'),
        ({"cache": []}, '"cache"'),
        ({"expire_time": 0}, '"expire_time" is 0'),
        ({"cache": {"max_bytes": -1}}, '"cache.max_bytes" is -1'),
        ({"build": {"concurrency": 0}}, '"build.concurrency" is 0'),
        ({"build": {"workers": 0}}, '"build.workers" is 0; it must be more than 0.'),
        ({"build": {"workers": -2}}, '"build.workers" is -2'),
        ({"cache": {"max_fetch_bytes": 0}}, '"cache.max_fetch_bytes" is 0'),
        ({"server": {"header_timeout": 0}}, '"server.header_timeout" is 0'),
        ({"server": {"body_timeout": float("nan")}}, '"server.body_timeout" is nan'),
        ({"server": {"max_body_bytes": -1}}, '"server.max_body_bytes" is -1'),
        ({"server": {"max_connections": 1.5}}, '"server.max_connections"'),
        ({"cache": {"lease_seconds": 0}}, '"cache.lease_seconds" is 0'),
        ({"cache": {"store": "redis"}}, '"lmdb" or "memory"'),
        ({"cache_components": True, "compat": "15"}, 'needs compat = "16"'),
        ({"cache_life": {"x": {"revalidate": 9, "expire": 4}}}, "revalidate = 9 is more than expire = 4"),
        ({"cache_life": {"x": {"revalidate": -1}}}, "revalidate = -1"),
    ],
)
def test_a_value_of_the_wrong_kind_or_range_is_named_with_its_place(values: dict[str, Any], says: str) -> None:
    message = problem(values)
    assert message.startswith("millpond.toml: ")
    assert says in message


@pytest.mark.parametrize("path", ["docs", "/docs/", "//docs", "/"])
def test_a_base_path_has_one_slash_in_front_and_none_behind(path: str) -> None:
    assert "base_path" in problem({"base_path": path})
    assert parse_config({"base_path": "/docs"}, "x").base_path == "/docs"


def test_own_lifetimes_are_added_to_the_built_in_ones() -> None:
    profiles = parse_config({"cache_life": {"brief": {"revalidate": 5, "expire": 60}}}, "x").profiles()
    assert profiles["brief"] == Profile(stale=300, revalidate=5, expire=60)
    assert profiles["hours"] == BUILT_IN["hours"]


def test_a_field_that_is_left_out_is_the_defaults_and_within_the_end_that_is_given() -> None:
    profiles = parse_config({"cache_life": {"default": {"revalidate": 100}, "short": {"expire": 50}}}, "x").profiles()
    assert profiles["default"].revalidate == 100
    assert profiles["short"] == Profile(stale=300, revalidate=50, expire=50)


def test_never_is_spelt_inf() -> None:
    profiles = parse_config({"cache_life": {"ever": {"revalidate": float("inf")}}}, "x").profiles()
    assert profiles["ever"].revalidate is None
