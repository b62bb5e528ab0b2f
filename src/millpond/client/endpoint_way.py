"""Through a server: the endpoint of its `[revalidate_endpoint]`."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec

from millpond.client.reached import Reached
from millpond.errors import UnreachedError, UsageError

if TYPE_CHECKING:
    import httpx2

    from millpond.cache.invalidation_order import OrderBody
    from millpond.errors import UnreachedReason

_MAX_ANSWER_BYTES = 1024 * 1024
"""Bytes of an answer that are read: a report of 128 paths, with a warning for each."""

_PASSING = (502, 503, 504)
"""What a proxy says while a server restarts, and a server while its store is away."""


class _Report(msgspec.Struct):
    """What a server says that it has done."""

    tags: int
    paths: int
    generation: int
    warnings: list[str] = []


@dataclass(frozen=True, slots=True)
class EndpointWay:
    """The endpoint at a URL. Redirects aren't followed, and TLS certificates are verified."""

    url: str
    secret: str = field(repr=False)

    def carry_out(self, order: OrderBody, seconds: float) -> Reached:
        """See `Way`."""
        where = _shown(self.url)
        status, headers, body = self._answer(_encoded(order), where, seconds)
        if status == 200:
            try:
                report = msgspec.json.decode(body, type=_Report)
            except msgspec.DecodeError:
                raise UnreachedError.of(
                    "endpoint", f"{where} answered 200, but not as Millpond does; is that the right address?"
                ) from None
            return Reached(
                tags=report.tags,
                paths=report.paths,
                generation=report.generation,
                via="endpoint",
                where=where,
                warnings=report.warnings,
            )
        message = _error_in(body)
        if status == 413 or (status == 400 and message):
            raise UsageError(f"{where} answered {status}: {message or 'it is too much for one call'}.")
        raise _refusal(where, status, headers, message)

    def _answer(self, content: bytes, where: str, seconds: float) -> tuple[int, httpx2.Headers, bytes]:
        import httpx2  # here, as a script that has the store needs none

        headers = {
            "authorization": f"Bearer {self.secret}",
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "millpond",
        }
        ends, body = time.monotonic() + seconds, b""
        try:
            with (
                httpx2.Client(follow_redirects=False, timeout=seconds) as client,
                client.stream("POST", self.url, headers=headers, content=content) as answer,
            ):
                for chunk in answer.iter_raw():
                    body += chunk
                    if time.monotonic() > ends:
                        raise httpx2.ReadTimeout("the answer came too slowly")
                    if len(body) > _MAX_ANSWER_BYTES:
                        raise UnreachedError.of("endpoint", f"{where} answered with over {_MAX_ANSWER_BYTES} bytes.")
                return answer.status_code, answer.headers, body
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            what = "no connection in time" if isinstance(error, httpx2.ConnectTimeout) else str(error)
            raise UnreachedError.of(
                "unreachable", f"{where} can't be reached: {what}. Is the server running?"
            ) from None
        except httpx2.TimeoutException:
            raise UnreachedError.of(
                "timeout",
                f"{where} didn't answer within {seconds:.3g} s; it is unknown whether it invalidated anything.",
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:  # ValueError: a secret that is no header
            what = type(error).__name__ if isinstance(error, ValueError) else str(error)
            raise UnreachedError.of("failed", f"{where} can't be asked: {what}.") from None


def endpoint_url(url: str, base_path: str, path: str) -> str:
    """The URL of the endpoint, given a server's URL or the endpoint's own.

    Args:
        url: as it was given.
        base_path: of the application.
        path: of the endpoint, below that.

    Raises:
        UsageError: it is no HTTP URL.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f'the URL is "{_shown(url)}"; it must look like http://127.0.0.1:8000.')
    if parts.path.strip("/"):
        return url
    return urlunsplit((parts.scheme, parts.netloc, base_path + path, "", ""))


def _encoded(order: OrderBody) -> bytes:
    """The order as JSON, which has no infinity, and no half of a character."""
    profile = order.profile
    for seconds in (order.expire, None if profile is None or isinstance(profile, str) else profile.expire):
        if seconds is not None and not math.isfinite(seconds):
            raise UsageError(f"expire = {seconds} can't be sent to a server; name a profile, or give seconds.")
    try:
        return msgspec.json.encode(order)
    except UnicodeEncodeError as error:
        raise UsageError(f"a tag or a path can't be sent to a server: {error.reason}.") from None


def _shown(url: str) -> str:
    """A URL without a password, and without a query, which may hold a secret; empty where it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _refusal(where: str, status: int, headers: httpx2.Headers, message: str | None) -> UnreachedError:
    said, reason = _meaning(status, headers, message)
    return UnreachedError.of(reason, f"{where} answered {status}: {said}")


def _meaning(status: int, headers: httpx2.Headers, message: str | None) -> tuple[str, UnreachedReason]:
    if status == 401:
        return "the secret isn't the server's.", "refused"
    if status == 429:
        return (
            f"too many calls with a wrong secret; try again in {headers.get('retry-after', 'a few')} s.",
            "limited",
        )
    if status in (404, 405):
        return "there is no endpoint; the server's configuration needs [revalidate_endpoint].", "endpoint"
    if 300 <= status < 400:
        to = _shown(headers.get("location", "")) or "another address"
        return (
            f"a redirect to {to}, which isn't followed, as the secret is for this server; give that URL.",
            "redirected",
        )
    said = f"{message}." if message else "this isn't an answer of Millpond's endpoint; is it the right address?"
    return said, "unreachable" if status in _PASSING else "failed"


def _error_in(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=dict[str, str]).get("error")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
