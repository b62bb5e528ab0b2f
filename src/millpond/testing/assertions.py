"""What a response says about how it was answered: from the cache, by a render for everybody, or by a live run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from millpond.policy.decision import Action

if TYPE_CHECKING:
    from collections.abc import Mapping


class Headed(Protocol):
    """A response of httpx2, httpx, requests or Playwright."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name."""
        ...


R = TypeVar("R", bound=Headed)

WHY = "millpond.testing.why"
"""The key of a response's extensions under which a test client says why the route is live."""

_MEMBER = re.compile(r"(?:^|,)\s*Millpond(?=[;,\s]|$)([^,]*)")


def assert_hit(response: R) -> R:
    """The response came from the cache, and was fresh.

    Args:
        response: of any client; with those of this kit, the message of a failure also says why a live route is live.

    Returns:
        The response.

    Raises:
        AssertionError: it was answered otherwise; the message says how.
    """
    __tracebackhide__ = True
    return _asserted(response, Action.HIT)


def assert_stale(response: R) -> R:
    """The response came from the cache, and was stale: it is rendered again in the background. As `assert_hit`."""
    __tracebackhide__ = True
    return _asserted(response, Action.STALE)


def assert_miss(response: R) -> R:
    """The response was rendered for this request, and for everybody who asks after it. As `assert_hit`."""
    __tracebackhide__ = True
    return _asserted(response, Action.MISS)


def assert_live(response: R) -> R:
    """The response was made for this request alone. As `assert_hit`."""
    __tracebackhide__ = True
    return _asserted(response, Action.LIVE)


def is_live(response: Headed) -> bool:
    """Whether a file route has made a response for its request alone."""
    return _told(response).action == Action.LIVE


class _Told(NamedTuple):
    """What a response's headers say."""

    action: str | None
    """None: it is no answer of a file route."""
    parameters: dict[str, str]
    """Those of Millpond's member of Cache-Status (RFC 9211)."""


def _asserted(response: R, wanted: Action) -> R:
    __tracebackhide__ = True
    told = _told(response)
    if told.action != wanted:
        raise AssertionError(f"{_request(response)} {_how(response, told)}, not {_word(wanted)}{_why(response, told)}")
    return response


def _told(response: Headed) -> _Told:
    headers = {name.lower(): value for name, value in response.headers.items()}
    member = _MEMBER.search(headers.get("cache-status", ""))
    if member is None:
        return _Told(None, {})
    pairs = (part.strip().partition("=") for part in member[1].split(";") if part.strip())
    return _Told(headers.get("x-nextjs-cache", Action.LIVE), {name: value for name, _, value in pairs})


def _request(response: Any) -> str:
    """What was asked for, as far as the client tells."""
    try:
        method, url = getattr(getattr(response, "request", None), "method", None), getattr(response, "url", None)
    except RuntimeError:  # a response of httpx that was made by hand has no request, and says so like this
        method = url = None
    return " ".join(str(part) for part in (method, url) if part) or "the response"


def _how(response: Any, told: _Told) -> str:
    if told.action is None:
        status = getattr(response, "status_code", None)
        return f"was answered{'' if status is None else f' with {status}'} by no file route"
    facts = [told.parameters.get("detail", "")]
    if told.action == Action.MISS and "stored" not in told.parameters:
        facts.append(f"its {told.parameters.get('fwd-status', 'answer')} wasn't stored")
    return f"was {_word(told.action)} ({'; '.join(fact for fact in facts if fact)})"


def _word(action: str) -> str:
    return action.lower() if action == Action.LIVE else action


def _why(response: Any, told: _Told) -> str:
    if told.action != Action.LIVE:
        return ""
    reason = getattr(response, "extensions", {}).get(WHY)
    return "" if reason is None else f": {reason}"
