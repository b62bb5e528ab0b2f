from __future__ import annotations

from typing import Any

import pytest

from millpond.config import parse_config
from millpond.errors import ConfigError


def parsed(**cron: Any) -> Any:
    values = {"path": "/api/cron", "schedule": "*/5 * * * *", **cron}
    return parse_config({"cron": [values]}, "millpond.toml").cron[0]


def test_a_cron_has_a_path_and_a_schedule_and_goes_by_utc() -> None:
    cron = parsed()
    assert (cron.path, cron.schedule, cron.timezone, cron.catch_up) == ("/api/cron", "*/5 * * * *", "UTC", False)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ({"schedule": "* * *"}, 'the cron of /api/cron: the schedule "* * *" can\'t be read: wrong number of fields'),
        ({"schedule": "61 * * * *"}, 'the schedule "61 * * * *" can\'t be read: bad minute'),
        ({"schedule": "0 0 30 2 *"}, 'the schedule "0 0 30 2 *" can\'t be read: bad day-of-month'),
        ({"timezone": "Europe/Berlim"}, 'there is no time zone "Europe/Berlim"'),
        ({"timezone": "Europe"}, 'there is no time zone "Europe"'),
        ({"timezone": "../../etc/passwd"}, 'there is no time zone "../../etc/passwd"'),
        ({"path": "api/cron"}, '"cron.path" is "api/cron"; it must look like "/api/cron/sync"'),
        ({"timeout": 0}, '"cron.timeout" is 0.0; it must be more than 0.'),
        ({"timeout": 1e9}, "at most 86400 seconds are possible"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(cron: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parsed(**cron)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_key_that_is_not_known_is_an_error_with_a_guess() -> None:
    with pytest.raises(ConfigError, match=r'there is no key "cron\[0\].shedule"; did you mean "cron\[0\].schedule"\?'):
        parse_config({"cron": [{"path": "/a", "shedule": "* * * * *"}]}, "millpond.toml")


def test_a_table_in_place_of_a_list_of_tables_is_an_error() -> None:
    with pytest.raises(ConfigError, match="cron"):
        parse_config({"cron": {"path": "/a", "schedule": "* * * * *"}}, "millpond.toml")


def test_the_same_cron_twice_is_an_error() -> None:
    same = {"path": "/a", "schedule": "* * * * *"}
    with pytest.raises(ConfigError, match='the cron of /a with the schedule "\\* \\* \\* \\* \\*" is there 2 times'):
        parse_config({"cron": [same, same]}, "millpond.toml")
