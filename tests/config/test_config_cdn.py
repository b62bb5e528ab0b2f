"""`[cdn]`: what it may say, and what is said of what it may not."""

from __future__ import annotations

import tomllib

import pytest

from millpond.config import parse_config
from millpond.config.cdn_config import CloudflareConfig, FastlyConfig, VarnishConfig, WebhookConfig
from millpond.errors import ConfigError
from millpond.policy.http.surrogate import Surrogates

ALL = """
[cdn]
headers = ["cache-tag", "surrogate-key", "xkey", "cache-groups"]
cdn_cache_control = true
max_age = 600
max_header_bytes = 8000

[[cdn.purge]]
kind = "varnish"
addresses = ["http://10.0.0.5:6081", "https://[::1]"]
method = "ban"
token_env = "A"
timeout = 1

[[cdn.purge]]
kind = "fastly"
service = "SU1Z0isxPaozGVKXdv0eY"
token_env = "B"
again_after = 0

[[cdn.purge]]
kind = "cloudflare"
zone = "023e105f4ecef8ad9ca31a8372d0c353"
token_env = "C"
give_up_after = 60

[[cdn.purge]]
kind = "webhook"
url = "https://hooks.example/purge?a=1"
secret_env = "D"
"""


def test_everything_that_can_be_said() -> None:
    config = parse_config(tomllib.loads(ALL), "millpond.toml").cdn
    assert config is not None
    assert config.surrogates() == Surrogates(("cache-tag", "surrogate-key", "xkey", "cache-groups"), True, 600, 8000)
    assert [type(each) for each in config.purge] == [VarnishConfig, FastlyConfig, CloudflareConfig, WebhookConfig]
    assert [each.again_after for each in config.purge] == [2, 0, 2, 2]


def test_an_empty_table_says_that_there_are_caches_in_front() -> None:
    config = parse_config({"cdn": {}}, "millpond.toml").cdn
    assert config is not None
    assert config.surrogates() == Surrogates()
    assert parse_config({}, "millpond.toml").cdn is None


VARNISH = {"kind": "varnish", "addresses": ["http://a"]}
FASTLY = {"kind": "fastly", "service": "a", "token_env": "A"}
CLOUDFLARE = {"kind": "cloudflare", "zone": "a", "token_env": "A"}
WEBHOOK = {"kind": "webhook", "url": "https://a", "secret_env": "A"}


@pytest.mark.parametrize(
    ("cdn", "problem"),
    [
        ({"headrs": []}, 'there is no key "cdn.headrs"; did you mean "cdn.headers"?'),
        ({"headers": ["xky"]}, '"cdn.headers" names "xky"; the headers are "cache-tag", "surrogate-key", "xkey" or'),
        ({"headers": ["xkey", "xkey"]}, '"cdn.headers" names a header twice'),
        ({"max_age": 0, "cdn_cache_control": True}, '"cdn.max_age" is 0'),
        ({"max_age": 60}, "it needs cdn_cache_control = true"),
        ({"max_header_bytes": 10}, '"cdn.max_header_bytes" is 10; it must be between 128 and 16384'),
        ({"max_header_bytes": 20_000}, '"cdn.max_header_bytes" is 20000'),
        ({"purge": [{}]}, '"cdn.purge[0].kind" is missing; it must be "varnish", "fastly", "cloudflare" or "webhook"'),
        ({"purge": [{"kind": "akamai"}]}, '"cdn.purge[0].kind" is "akamai"'),
        ({"purge": [{"kind": ["fastly"]}]}, '"cdn.purge[0].kind" is'),
        ({"purge": [3]}, '"cdn.purge[0]" is 3; it must be a table.'),
        (
            {"purge": {"kind": "fastly"}},
            '"cdn.purge" is a table; it must be a list of tables, each',
        ),
        ({"purge": [WEBHOOK, {**FASTLY, "srvice": "a"}]}, 'no key "cdn.purge[1].srvice"; did you mean "cdn.purge[1].s'),
        (
            {"purge": [{"kind": "fastly", "service": "a"}]},
            '"cdn.purge[0].token_env" is missing',
        ),
        ({"purge": [VARNISH]}, '"cdn.purge[0]" purges by keys that no answer has; add "xkey" to headers in [cdn]'),
        ({"purge": [FASTLY]}, 'add "surrogate-key"'),
        ({"purge": [CLOUDFLARE]}, 'add "cache-tag"'),
        ({"headers": ["xkey"], "purge": [{**VARNISH, "addresses": []}]}, '"cdn.purge[0].addresses" is empty'),
        ({"headers": ["xkey"], "purge": [{**VARNISH, "addresses": ["10.0.0.5:80"]}]}, '"cdn.purge[0].addresses" is "1'),
        ({"headers": ["xkey"], "purge": [{**VARNISH, "addresses": ["http://[::1"]}]}, "it must look like"),
        ({"headers": ["xkey"], "purge": [{**VARNISH, "method": "url"}]}, 'is "url"; it must be "xkey" or "ban"'),
        ({"purge": [{**WEBHOOK, "url": "ftp://a"}]}, '"cdn.purge[0].url" is "ftp://a"; it must look like'),
        ({"purge": [{**FASTLY, "service": "a/../b"}]}, '"cdn.purge[0].service" is "a/../b"; it must be the id'),
        ({"purge": [{**CLOUDFLARE, "zone": ""}]}, '"cdn.purge[0].zone" is ""'),
        ({"purge": [{**WEBHOOK, "timeout": 0}]}, '"cdn.purge[0].timeout" is 0.0; it must be more than 0'),
        ({"purge": [{**WEBHOOK, "again_after": -1}]}, '"cdn.purge[0].again_after" is -1.0; it must be 0 or more'),
        ({"purge": [{**WEBHOOK, "give_up_after": 0}]}, '"cdn.purge[0].give_up_after" is 0'),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(cdn: object, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config({"cdn": cdn}, "millpond.toml")
    assert str(refused.value).startswith("millpond.toml: ")
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)
