"""What robots() returns, as lines; read back with Scrapy's parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from protego import Protego

from millpond.errors import MetadataError
from millpond.metadata.robots import robots_txt

if TYPE_CHECKING:
    from millpond.metadata import Robots


def refusal(returned: object) -> str:
    with pytest.raises(MetadataError) as caught:
        robots_txt(returned)
    return str(caught.value)


def test_rules_are_written_as_the_original_writes_them() -> None:
    robots: Robots = {
        "rules": [
            {"user_agent": ["a", "b"], "allow": "/", "disallow": ["/x", "/y"], "crawl_delay": 2},
            {"disallow": "/z"},
        ],
        "sitemap": ["s1", "s2"],
        "host": "h",
    }
    assert robots_txt(robots).decode() == (
        "User-Agent: a\nUser-Agent: b\nAllow: /\nDisallow: /x\nDisallow: /y\nCrawl-delay: 2\n\n"
        "User-Agent: *\nDisallow: /z\n\nHost: h\nSitemap: s1\nSitemap: s2\n"
    )


def test_other_directives_are_written_as_they_are() -> None:
    rule = {"allow": "/", "Request-rate": "1/5", "Visit-time": ["0600-0845", 7]}
    assert robots_txt({"rules": rule}).decode() == (
        "User-Agent: *\nAllow: /\nRequest-rate: 1/5\nVisit-time: 0600-0845\nVisit-time: 7\n\n"
    )


def test_a_crawlers_parser_reads_it_back() -> None:
    rules = [{"user_agent": "slow", "allow": "/a/b", "disallow": "/a/", "crawl_delay": 1.5}, {"disallow": "/private/ü"}]
    read = Protego.parse(robots_txt({"rules": rules, "sitemap": "https://a.example/sitemap.xml"}).decode())
    assert read.can_fetch("https://a.example/a/b", "slow")
    assert not read.can_fetch("https://a.example/a/c", "slow")
    assert not read.can_fetch("https://a.example/private/ü/1", "other")
    assert read.crawl_delay("slow") == 1.5
    assert list(read.sitemaps) == ["https://a.example/sitemap.xml"]


@pytest.mark.parametrize("value", ["/\nDisallow: /", "/\r", "/\u2028x"])
def test_a_value_can_not_begin_another_line(value: str) -> None:
    for robots in ({"rules": {"allow": value}}, {"rules": [{"disallow": [value]}]}, {"rules": {}, "host": value}):
        assert "which has no place in it" in refusal(robots)


@pytest.mark.parametrize(
    ("robots", "problem"),
    [
        (None, "robots() returned None; return a dict"),
        ([], "return a dict"),
        ({}, '"rules" is missing'),
        ({"rules": [{}, 3]}, "rule 1 of robots() is a value of type int"),
        ({"rules": [{}, {"allow": 3}]}, 'rule 1 of robots(): "allow" is 3; it must be text or a list'),
        ({"rules": {"crawl_delay": -1}}, '"crawl_delay" is -1'),
        ({"rules": {"disalow": "/"}}, 'there is no field "disalow"; did you mean "disallow"?'),
        ({"rules": {"userAgent": "a"}}, 'did you mean "user_agent"?'),
        ({"rules": {"User-Agent": "a"}}, 'did you mean "user_agent"?'),
        ({"rules": {"x y": "a"}}, '"x y" is no name of a directive'),
        ({"rules": {}, "sitemaps": "s"}, 'there is no field "sitemaps"; did you mean "sitemap"?'),
    ],
)
def test_a_wrong_field_is_named(robots: object, problem: str) -> None:
    assert problem in refusal(robots)
