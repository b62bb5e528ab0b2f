"""From a payload to tags and paths: names are looked up, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webhook_examples import EXAMPLES, Example

from millpond.policy.tags import MAX_TAGS
from millpond.policy.webhooks.mapping import EventRule, meaning_of
from millpond.policy.webhooks.template import InvalidTemplate, Template, TooManyValues, WebhookEvent, checked_name

POST = {
    "type": "post",
    "slug": {"current": "oak-chair"},
    "id": 7,
    "price": 1.5,
    "draft": False,
    "empty": "",
    "nothing": None,
    "names": ["a", "b", "a", None, {"x": 1}, ["deep"]],
    "categories": [{"slug": "wood", "parents": [{"id": 1}]}, {"slug": "chairs", "parents": [{"id": 2}, {"id": 3}]}, 5],
    "en-US": {"title": "Ein {Stuhl} ü/50%?#"},
}


def filled(text: str, payload: object = POST, **headers: str) -> list[str]:
    return (
        Template.of(text)
        .filled(WebhookEvent(payload, {name.replace("_", "-"): value for name, value in headers.items()}))
        .texts
    )


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("posts", ["posts"]),
        ("", [""]),
        ("post:{slug.current}", ["post:oak-chair"]),
        ("{ type }:{id}", ["post:7"]),
        ("{price} {draft}", ["1.5 false"]),
        ("n:{names}", ["n:a", "n:b"]),
        ("{categories.slug}", ["wood", "chairs"]),
        ("{categories.parents.id}", ["1", "2", "3"]),
        ("{categories.1.slug}", ["chairs"]),
        ("{names.0}", ["a"]),
        ("{type}-{names}", ["post-a", "post-b"]),
        ("{categories.slug}/{names}", ["wood/a", "wood/b", "chairs/a", "chairs/b"]),
        ("{{{type}}}", ["{post}"]),
        ("{en-US.title}", ["Ein {Stuhl} ü/50%?#"]),
        ("{header:x-event}", ["push"]),
        ("{slug}", []),
        ("{missing}", []),
        ("{slug.current.length}", []),
        ("{type.__class__}", []),
        ("{empty}{type}", []),
        ("{nothing}", []),
        ("{names.9}", []),
        ("{names.999999999999999999999}", []),
        ("{header:x-other}", []),
    ],
)
def test_names_in_braces_are_looked_up_and_lists_give_one_text_for_each_item(text: str, texts: list[str]) -> None:
    assert filled(text, x_event="push") == texts


@pytest.mark.parametrize("payload", [[], "text", 7, None, [POST]])
def test_a_payload_may_be_anything(payload: object) -> None:
    assert filled("{type}", payload) == (["post"] if isinstance(payload, list) and payload else [])


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "a}", "{a}}", "{}", "{ }", "{a b}", "{a..b}", "{.a}", "{header:X-A}", "{{a}"]
)
def test_a_template_that_cant_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidTemplate):
        Template.of(text)


@pytest.mark.parametrize(
    "name",
    ["authorization", "cookie", "webhook-signature", "x-hub-signature-256", "x-api-key", "x-secret", "x-auth-token"],
)
def test_headers_with_secrets_are_never_tags(name: str) -> None:
    with pytest.raises(InvalidTemplate, match="may hold a secret"):
        checked_name(f"header:{name}")


def test_what_is_missing_is_told_by_its_name_once() -> None:
    found = Template.of("{missing.name}{type}{missing.name}").filled(WebhookEvent(POST, {}))
    assert (found.texts, found.missing) == ([], ["missing.name"])


def test_more_values_than_one_call_may_name_are_refused_before_they_are_all_made() -> None:
    many = {"a": list(range(MAX_TAGS + 1)), "b": list(range(100)), "c": list(range(100)), "d": list(range(100))}
    with pytest.raises(TooManyValues):
        filled("{a}", many)
    with pytest.raises(TooManyValues):
        filled("{b}{c}{d}", many)
    assert len(filled("{b}", many)) == 100


def test_a_value_longer_than_any_path_is_none() -> None:
    assert filled("{a}", {"a": "x" * 1025}) == []


def test_values_are_encoded_in_paths_with_their_slashes_left() -> None:
    rule = EventRule({}, [], [Template.of("/a/{en-US.title}")])
    (named,) = meaning_of(WebhookEvent(POST, {}), [rule]).named
    assert named.paths == ["/a/Ein%20%7BStuhl%7D%20%C3%BC/50%25%3F%23"]


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ({}, True),
        ({"type": ["post"]}, True),
        ({"type": ["page", "post"]}, True),
        ({"type": ["page"]}, False),
        ({"type": ["post"], "id": ["7"]}, True),
        ({"type": ["post"], "id": ["8"]}, False),
        ({"draft": ["false"]}, True),
        ({"names": ["b"]}, True),
        ({"slug.current": ["*"]}, True),
        ({"missing": ["*"]}, False),
        ({"empty": ["*"]}, False),
        ({"header:x-event": ["push"]}, True),
        ({"header:x-event": ["ping"]}, False),
    ],
)
def test_a_rule_is_for_events_that_have_one_of_the_values_of_each_name(when: dict[str, Any], applies: bool) -> None:
    meaning = meaning_of(WebhookEvent(POST, {"x-event": "push"}), [EventRule(when, [Template.of("t")], [])])
    assert [named.tags for named in meaning.named] == ([["t"]] if applies else [])
    assert meaning.notes == ([] if applies else ["the configuration maps no such event"])


def test_all_rules_that_fit_an_event_count_and_duplicates_once() -> None:
    rules = [
        EventRule({}, [Template.of("posts"), Template.of("{type}s")], []),
        EventRule({"type": ["post"]}, [Template.of("{missing}"), Template.of("more")], [], profile="max"),
    ]
    meaning = meaning_of(WebhookEvent(POST, {}), rules)
    assert [(named.tags, named.rule.profile) for named in meaning.named] == [(["posts"], None), (["more"], "max")]
    assert meaning.notes == ['there is no value of "missing" in the payload']


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.preset)
def test_the_mapping_of_each_example_gives_what_it_should(example: Example) -> None:
    from millpond.config import parse_config

    (config,) = parse_config({"revalidate_endpoint": example.table}, "millpond.toml").revalidate_endpoint
    meaning = meaning_of(WebhookEvent(msgspec.json.decode(example.payload), example.headers), config.rules())
    assert [tag for named in meaning.named for tag in named.tags] == example.tags
    assert [path for named in meaning.named for path in named.paths] == example.paths
    assert meaning.notes == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(JSON, st.lists(st.sampled_from(["a", "b", "c", "0", "1", "__class__"]), min_size=1, max_size=4))
def test_any_payload_gives_texts_and_never_an_error(payload: object, parts: list[str]) -> None:
    found = Template.of("t:{" + ".".join(parts) + "}").filled(WebhookEvent(payload, {}))
    assert all(text.startswith("t:") and len(text) > 2 for text in found.texts)
    assert bool(found.missing) is not bool(found.texts)
