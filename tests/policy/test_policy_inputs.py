from __future__ import annotations

import pytest

from millpond.policy.allowance import FREEZABLE, Allowance, InputKind, UnknownAllowance, is_refreshed, parse_allowance
from millpond.policy.segment import InvalidOption, parse_segment_config


@pytest.mark.parametrize("kind", sorted(FREEZABLE))
def test_a_kind_allows_all_of_it(kind: InputKind) -> None:
    allowance = parse_allowance(str(kind))
    assert allowance == Allowance(kind, None)
    assert allowance.covers(kind, "anything")
    assert allowance.covers(kind, "")
    assert not any(allowance.covers(other, "anything") for other in InputKind if other is not kind)


@pytest.mark.parametrize(("text", "name"), [("env:APP_NAME", "APP_NAME"), ("file:data/a:b.json", "data/a:b.json")])
def test_a_name_allows_only_that_one(text: str, name: str) -> None:
    allowance = parse_allowance(text)
    assert str(allowance) == text
    assert allowance.covers(allowance.kind, name)
    assert not allowance.covers(allowance.kind, f"{name}2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clocks", '"clocks" is unknown (did you mean "clock"?)'),
        ("random", '"random" is unknown (did you mean "randomness"?)'),
        ("ENV:APP_NAME", '"ENV:APP_NAME" is unknown (did you mean "env:APP_NAME"?)'),
        ("a wait", '"a wait" is unknown (there are "env", '),
        ("", '"" is unknown (there are "env", '),
        ("database:users", '"database:users" is unknown (write "database")'),
        ("env:", '"env:" is unknown (write "env" for all inputs of that kind)'),
    ],
)
def test_what_means_nothing_is_refused_with_what_was_probably_meant(text: str, message: str) -> None:
    with pytest.raises(UnknownAllowance) as error:
        parse_allowance(text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("value", ["clock", ("clock", 1), None, 3, {"clock"}])
def test_frozen_ok_is_a_tuple_or_list_of_texts(value: object) -> None:
    with pytest.raises(InvalidOption, match="frozen_ok takes a tuple of inputs"):
        parse_segment_config({"frozen_ok": value})


def test_frozen_ok_is_what_a_file_says() -> None:
    config = parse_segment_config({"frozen_ok": ["clock", "env:A"]})
    assert config.frozen_ok == (Allowance(InputKind.CLOCK, None), Allowance(InputKind.ENV, "A"))
    assert parse_segment_config({}).frozen_ok == ()


@pytest.mark.parametrize("kind", sorted(FREEZABLE))
def test_what_never_goes_stale_keeps_all_its_inputs(kind: InputKind) -> None:
    assert not is_refreshed(kind, None)


@pytest.mark.parametrize("kind", sorted(FREEZABLE))
def test_what_goes_stale_reads_them_again_but_for_the_environment_of_the_build(kind: InputKind) -> None:
    assert is_refreshed(kind, 60) is (kind is not InputKind.ENV)
