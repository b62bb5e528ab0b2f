from __future__ import annotations

import pytest

from millpond.errors import RouteError
from millpond.routes.folder import SegmentKind, parse_folder

FILE = "app/x/route.py"


@pytest.mark.parametrize(
    ("folder", "kind", "name"),
    [
        ("products", SegmentKind.LITERAL, "products"),
        ("rss.xml", SegmentKind.LITERAL, "rss.xml"),
        ("route", SegmentKind.LITERAL, "route"),
        ("%5Fdrafts", SegmentKind.LITERAL, "_drafts"),
        ("a%2Fb", SegmentKind.LITERAL, "a/b"),
        ("caf%C3%A9", SegmentKind.LITERAL, "café"),
        ("(a)b", SegmentKind.LITERAL, "(a)b"),
        ("[id]", SegmentKind.PARAM, "id"),
        ("[product-id]", SegmentKind.PARAM, "product-id"),
        ("[...slug]", SegmentKind.CATCH_ALL, "slug"),
        ("[[...slug]]", SegmentKind.OPTIONAL_CATCH_ALL, "slug"),
        ("(shop)", SegmentKind.GROUP, "shop"),
        ("@modal", SegmentKind.SLOT, "modal"),
        ("_lib", SegmentKind.PRIVATE, "lib"),
    ],
)
def test_a_folder_name_says_what_it_is_to_the_url(folder: str, kind: SegmentKind, name: str) -> None:
    segment = parse_folder(folder, FILE)
    assert (segment.kind, segment.name, segment.folder) == (kind, name, folder)


@pytest.mark.parametrize(
    ("folder", "remedy"),
    [
        ("[[x]]", "[[...x]]"),
        ("[…x]", "three dots"),
        ("[[…x]]", "three dots"),
        ("[[[x]]]", "pair up"),
        ("[x", "pair up"),
        ("x]", "pair up"),
        ("[[...x]", "pair up"),
        ("[...x]]", "pair up"),
        ("[[x]", "pair up"),
        ("a[x]", "pair up"),
        ("[x]b", "pair up"),
        ("[x[y]]", "pair up"),
        ("[]", "no name"),
        ("[...]", "no name"),
        ("[[...]]", "no name"),
        ("[ ]", "no name"),
        ("()", "no name"),
        ("@", "no name"),
        ("[.x]", "begins with a dot"),
        ("[..x]", "begins with a dot"),
        ("[....x]", "begins with a dot"),
        ("{id}", "braces"),
        ("[{id}]", "braces"),
        ("(.)photo", "intercepting"),
        ("(..)photo", "intercepting"),
        ("(..)(..)photo", "intercepting"),
        ("(...)photo", "intercepting"),
        ("100%", "%25"),
        ("%zz", "%25"),
        ("%FF", "%25"),
        ("%00", "%25"),
        ("[request]", "request"),
        ("bad\udcff", "UTF-8"),
    ],
)
def test_a_folder_name_that_means_nothing_is_an_error_with_a_remedy(folder: str, remedy: str) -> None:
    with pytest.raises(RouteError) as caught:
        parse_folder(folder, FILE)
    message = str(caught.value)
    assert message.startswith(f"{FILE}: the folder ")
    assert remedy in message


@pytest.mark.parametrize(
    ("folder", "parameter"),
    [
        ("[id]", "id"),
        ("[product-id]", "product_id"),
        ("[...all the rest]", "all_the_rest"),
        ("[class]", "class_"),
        ("[2nd]", "_2nd"),
        ("[zażółć]", "zażółć"),
        ("[ﬁle]", "file"),
        ("[x²]", "x2"),
        ("[__class__]", "__class__"),
    ],
)
def test_a_parameter_gets_a_name_that_python_can_spell(folder: str, parameter: str) -> None:
    segment = parse_folder(folder, FILE)
    assert segment.parameter == parameter
    assert segment.parameter.isidentifier()


def test_a_literal_with_encoded_brackets_does_not_look_like_a_parameter() -> None:
    segment = parse_folder("%5Bid%5D", FILE)
    assert segment.name == "[id]"
    assert segment.pattern == "%5Bid%5D"
