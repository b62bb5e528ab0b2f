from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from millpond.config import parse_config
from millpond.config.store_url import EXAMPLES, Host, InvalidStoreUrl, StoreAddress, parse_store_url
from millpond.errors import ConfigError, StoreError
from millpond.stores import factory
from millpond.stores.factory import chosen_store, prefix_of, shared_address

if TYPE_CHECKING:
    from pathlib import Path


def config(**cache: Any) -> Any:
    return parse_config({"cache": cache}, "millpond.toml").cache


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("valkey://cache", StoreAddress("server", (Host("cache", 6379),))),
        ("redis://cache:7000/3", StoreAddress("server", (Host("cache", 7000),), 3)),
        ("rediss://[::1]:7000", StoreAddress("server", (Host("::1", 7000),), encrypted=True)),
        (
            "valkeys://me:p%40ss@cache?ssl_ca_certs=/etc/ca.pem",
            StoreAddress(
                "server",
                (Host("cache", 6379),),
                encrypted=True,
                username="me",
                password="p@ss",
                options={"ssl_ca_certs": "/etc/ca.pem"},
            ),
        ),
        (
            "valkey+sentinel://one,two:26380/mymaster/2",
            StoreAddress("sentinel", (Host("one", 26379), Host("two", 26380)), 2, "mymaster"),
        ),
        ("valkey+cluster://one,two:7001", StoreAddress("cluster", (Host("one", 6379), Host("two", 7001)))),
    ],
)
def test_a_url_names_servers(url: str, address: StoreAddress) -> None:
    assert parse_store_url(url) == address


@pytest.mark.parametrize("url", EXAMPLES)
def test_an_address_is_printed_as_the_url_that_it_came_from(url: str) -> None:
    assert str(parse_store_url(url)) == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://cache", 'its scheme is "http"'),
        ("valkey+server://cache", 'its scheme is "valkey+server"'),
        ("valkey://", "it names no host"),
        ("valkey://cache:seven", "a port in it"),
        ("valkey://cache:70000", "a port in it"),
        ("valkey://[::1", "it isn't a URL"),
        ("valkey://one,two", "it names 2 hosts"),
        ("valkey://cache/zero", "the number of a database"),
        ("valkey://cache/0/1", "the number of a database"),
        ("valkey+sentinel://one", "the sentinels' name for the server"),
        ("valkey+cluster://one/1", "a cluster has one database"),
        ("valkeys://cache?tls=yes", 'there is no option "tls"'),
        ("valkey://cache?ssl_ca_certs=x", "belongs to an encrypted connection"),
    ],
)
def test_a_url_that_makes_no_sense_is_said_to(url: str, says: str) -> None:
    with pytest.raises(InvalidStoreUrl, match=r".") as raised:
        parse_store_url(url)
    assert says in str(raised.value)
    with pytest.raises(ConfigError) as wrong:
        config(store=url)
    assert says in str(wrong.value)


@pytest.mark.parametrize("url", ["valkey://me:swordfish@cache:x", "http://:swordfish@cache", "valkey://swordfish@a,b"])
def test_no_message_and_no_text_of_an_address_has_a_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config(store=url)
    assert "swordfish" not in str(raised.value)


def test_an_address_shows_no_password() -> None:
    address = parse_store_url("valkey://me:swordfish@cache")
    assert "swordfish" not in f"{address} {address!r}"


@pytest.mark.parametrize(
    ("cache", "says"),
    [
        ({"prefix": ""}, '"cache.prefix"'),
        ({"prefix": "a{b}"}, '"cache.prefix"'),
        ({"prefix": "x" * 101}, '"cache.prefix"'),
        ({"serve_when_down": -1}, '"cache.serve_when_down" is -1'),
        ({"store_timeout": 0}, '"cache.store_timeout" is 0'),
        ({"local_bytes": 0}, '"cache.local_bytes" is 0'),
        ({"password_env": "X"}, '"cache.password_env" is for a shared server'),
        ({"store": "valkey://:secret@cache", "password_env": "X"}, "give one of them"),
        ({"store": "valkye"}, "or a URL such as valkey://host:6379/0"),
    ],
)
def test_settings_of_a_shared_store_are_checked(cache: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config(**cache)
    assert says in str(raised.value)


def test_the_password_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = config(store="valkey://me@cache", password_env="CACHE_PASSWORD")
    monkeypatch.delenv("CACHE_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="the environment variable CACHE_PASSWORD isn't set"):
        shared_address(cache)
    monkeypatch.setenv("CACHE_PASSWORD", "swordfish")
    address = shared_address(cache)
    assert (address.username, address.password) == ("me", "swordfish")


def test_keys_begin_with_the_projects_name_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    project = tmp_path / "release 7"
    project.mkdir()
    assert prefix_of(project, config()) == "millpond:release-7"
    (project / "pyproject.toml").write_text('[project]\nname = "shop"\n', "utf-8")
    assert prefix_of(project, config()) == "millpond:shop"
    assert prefix_of(project, config(prefix="mine")) == "mine"


def test_without_the_client_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'redis'", name="redis")

    with (
        pytest.raises(StoreError, match=r"run: pip install 'millpond\[valkey\]'"),
        factory.needing_client(parse_store_url("valkey://cache")),
    ):
        missing()


def test_a_url_chooses_a_shared_store(tmp_path: Path) -> None:
    store = chosen_store(tmp_path, config(store="valkey://cache"), "a build", lambda: 0.0)
    assert type(store).__name__ == "ValkeyStore"
