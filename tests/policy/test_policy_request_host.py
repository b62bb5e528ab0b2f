"""The host as part of a key: one spelling for each host, and nothing that isn't one."""

from __future__ import annotations

import pytest

from millpond.policy.variants.request_host import is_listed, listed_host, normal_host


@pytest.mark.parametrize(
    "given",
    [
        "a.example",
        "A.Example",
        "a.example.",
        "a.example:80",
        "a.example:8000",
        "a.example.:443",
        "a.example:",
        " a.example\t",
    ],
)
def test_case_port_and_the_dot_at_the_end_make_no_other_host(given: str) -> None:
    assert normal_host(given) == "a.example"


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("localhost", "localhost"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[2001:DB8::0]", "[2001:db8::]"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("my_host", "my_host"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_names_and_addresses_are_hosts(given: str, host: str) -> None:
    assert normal_host(given) == host


@pytest.mark.parametrize(
    "given",
    [
        *("", ".", "..", "a..example", ".a.example", "a.example..", "-a.example", "a-.example"),
        *("a.example:80:80", "a.example:port", "a.example:123456", "a.example/x", "a.example?x", "a.example#x"),
        *("user@a.example", "a.example b.example", "a.example,b.example", "%61.example", "a\0.example", "a.example\n"),
        *("müller.example", "[::1", "::1", "[::1%eth0]", "[::1]x", "[a.example]", "a" * 254, "*.example", "a\\b"),
    ],
)
def test_what_no_client_gets_from_a_resolver_is_no_host(given: str) -> None:
    assert normal_host(given) is None


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("A.Example", "a.example"),
        ("*.A.example", "*.a.example"),
        ("müller.example", "xn--mller-kva.example"),
        ("[::1]", "[::1]"),
        ("localhost.", "localhost"),
    ],
)
def test_options_list_hosts_in_any_spelling(text: str, host: str) -> None:
    assert listed_host(text) == host


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a.example:8000", "has a port"),
        ("https://a.example", "is no host name"),
        ("*", "is no host name"),
        ("*.[::1]", "is no host name"),
        ("a.*.example", "is no host name"),
        ("faß.example", "write it as clients send it"),
        ("", "is no host name"),
        ("ü" * 300, "is no host name"),
    ],
)
def test_options_list_nothing_else(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        listed_host(text)


def test_a_pattern_has_sub_domains_and_not_the_domain_itself() -> None:
    hosts = ("a.example", "*.b.example")
    listed = [host for host in ("a.example", "b.example", "x.b.example", "x.y.b.example", "xb.example", "x.a.example")
              if is_listed(host, hosts)]  # fmt: skip
    assert listed == ["a.example", "x.b.example", "x.y.b.example"]
