"""Segment config: the module constants of a route file that configure its GET (docs/rules.md, section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from millpond.policy.advice.advice_kind import AdviceKind, UnknownAdvice, parse_advice_kind
from millpond.policy.allowance import Allowance, UnknownAllowance, parse_allowance
from millpond.policy.variants.variation import Variation
from millpond.policy.variants.vary_option import parse_hosts, parse_vary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from millpond.policy.variants.variation import Offered


_PATH_PATTERN = re.compile(r"/(?:[!-'*-~]*)")
"""A URL pattern of a path without regular expressions, which RFC 9842 §2.1.1 forbids."""


class Dynamic(StrEnum):
    """The values of `dynamic` (R2.1)."""

    AUTO = "auto"
    FORCE_DYNAMIC = "force-dynamic"
    FORCE_STATIC = "force-static"
    ERROR = "error"


class FetchCache(StrEnum):
    """The values of `fetch_cache` (R2.1, R5.6)."""

    AUTO = "auto"
    DEFAULT_CACHE = "default-cache"
    ONLY_CACHE = "only-cache"
    FORCE_CACHE = "force-cache"
    FORCE_NO_STORE = "force-no-store"
    DEFAULT_NO_STORE = "default-no-store"
    ONLY_NO_STORE = "only-no-store"


@dataclass(frozen=True, slots=True)
class SegmentConfig:
    """The constants of one route file. `None` means that the file doesn't define the constant."""

    dynamic: Dynamic | None = None
    revalidate: int | bool | None = None
    """Seconds; False: never stale, which also opts in to static (R2.18)."""
    fetch_cache: FetchCache | None = None
    dynamic_params: bool | None = None
    cache_query: tuple[str, ...] = ()
    """The query parameters that are part of the cache key; a static GET can read no others."""
    cache_query_body: bool = False
    """Whether answers to QUERY are stored, with the body of the request as part of the key."""
    cache_host: bool | None = None
    """Whether the request's host is part of the cache key."""
    hosts: tuple[str, ...] = ()
    """The hosts that there are, with `cache_host`; empty: any."""
    cache_vary: Offered = ()
    """The values of a language, of cookies and of headers that are part of the cache key."""
    max_duration: int | None = None
    """Seconds; a hint for platforms, which the server itself doesn't enforce (R11.15)."""
    frozen_ok: tuple[Allowance, ...] = ()
    """Inputs that the answer is meant to keep as they were at build time."""
    advise_ok: tuple[AdviceKind, ...] = ()
    """Kinds of advice that the author doesn't want: what they are about is meant."""
    compression_dictionary: bool | str = False
    """Whether clients keep an answer to have later ones compressed by it (RFC 9842): those of the same path, or of the
    paths that match a URL pattern."""

    @property
    def needs_guards(self) -> bool:
        """Whether part of the request is free to read, so that a guard's reads must be told from a handler's."""
        keyed = bool(self.cache_query) or self.cache_query_body or self.variation is not None
        return self.forces_static or keyed

    @property
    def variation(self) -> Variation | None:
        """What else of a request is part of the key; None: nothing."""
        if not self.cache_host and not self.cache_vary:
            return None
        return Variation(bool(self.cache_host), self.hosts if self.cache_host else (), self.cache_vary)

    def varies_by(self, kind: Literal["header", "cookie"], name: str) -> bool:
        """Whether `cache_vary` has a header or a cookie; names of headers are compared without case."""
        wanted = {f"cookie:{name}"} if kind == "cookie" else {f"header:{name.lower()}", name.lower()}
        return any(offered in wanted for offered, _ in self.cache_vary)

    @property
    def forces_static(self) -> bool:
        return self.dynamic is Dynamic.FORCE_STATIC

    @property
    def forbids_dynamic(self) -> bool:
        return self.dynamic is Dynamic.ERROR

    @property
    def forces_dynamic(self) -> bool:
        return self.dynamic is Dynamic.FORCE_DYNAMIC

    @property
    def never_cached(self) -> bool:
        """`force-dynamic` counts as `revalidate = 0`, whatever `revalidate` says (R2.14, R2.16, R2.17)."""
        return self.forces_dynamic or (self.revalidate == 0 and self.revalidate is not False)

    @property
    def opts_in(self) -> bool:
        """Whether the config opts in to a static GET (R3.2). `generate_static_params` opts in, too."""
        return self.forces_static or self.forbids_dynamic or self.revalidate is False or bool(self.revalidate)

    @property
    def closed(self) -> bool:
        """Whether parameters that `generate_static_params` doesn't list are 404 (R2.19)."""
        return self.dynamic_params is False


class InvalidOption(ValueError):
    """A constant has a value outside its schema (R2.1). The attributes hold the parts of the message."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} = {value!r} is not allowed; {name} takes {allowed}")
        self.name, self.value, self.allowed = name, value, allowed


def _choice(kind: type[StrEnum]) -> Callable[[str, object], StrEnum]:
    options = [member.value for member in kind]
    listed = ", ".join(f'"{option}"' for option in options[:-1]) + f' or "{options[-1]}"'

    def parse(name: str, value: object) -> StrEnum:
        if not isinstance(value, str) or value not in options:
            raise InvalidOption(name, value, listed)
        return kind(value)

    return parse


def _revalidate(name: str, value: object) -> int | bool:
    if value is False or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise InvalidOption(name, value, "False, 0 or a positive whole number of seconds")


def _boolean(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidOption(name, value, "True or False")


def _whole_number(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise InvalidOption(name, value, "a whole number of seconds, 0 or more")


def _names(name: str, value: object) -> tuple[str, ...]:
    listed = isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value)
    if not isinstance(value, list | tuple) or not listed or len(set(value)) != len(value):
        raise InvalidOption(name, value, 'a tuple of names of query parameters, each once, such as ("page", "sort")')
    return tuple(value)


def _parsed(parse: Callable[[object], Any]) -> Callable[[str, object], Any]:
    def parse_option(name: str, value: object) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise InvalidOption(name, value, str(error)) from None

    return parse_option


def _allowances(name: str, value: object) -> tuple[Allowance, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidOption(name, value, 'a tuple of inputs, such as ("clock", "env:APP_NAME")')
    try:
        return tuple(parse_allowance(item) for item in value)
    except UnknownAllowance as error:
        raise InvalidOption(name, value, f"inputs, and {error}") from None


def _advice_kinds(name: str, value: object) -> tuple[AdviceKind, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidOption(name, value, 'a tuple of kinds of advice, such as ("live-reads-nothing",)')
    try:
        return tuple(parse_advice_kind(item) for item in value)
    except UnknownAdvice as error:
        raise InvalidOption(name, value, f"kinds of advice, and {error}") from None


def _dictionary(name: str, value: object) -> bool | str:
    if isinstance(value, bool) or (isinstance(value, str) and _PATH_PATTERN.fullmatch(value)):
        return value
    raise InvalidOption(name, value, 'True for answers of the same path, or a pattern of paths, such as "/items/*"')


_PARSERS: dict[str, Callable[[str, object], Any]] = {
    "dynamic": _choice(Dynamic),
    "revalidate": _revalidate,
    "fetch_cache": _choice(FetchCache),
    "dynamic_params": _boolean,
    "cache_query": _names,
    "cache_query_body": _boolean,
    "cache_host": _boolean,
    "hosts": _parsed(parse_hosts),
    "cache_vary": _parsed(parse_vary),
    "max_duration": _whole_number,
    "frozen_ok": _allowances,
    "advise_ok": _advice_kinds,
    "compression_dictionary": _dictionary,
}

FORBIDDEN_WITH_CACHE_COMPONENTS = {
    "dynamic": "leave it out: every GET is rendered at build if it can be; call `await connection()` to keep it live",
    "revalidate": "leave it out, and say how long data is good with cache_life() in a @cached function",
    "fetch_cache": "leave it out, and give single fetches their options",
    "dynamic_params": "leave it out; answer not_found() for parameters that don't exist",
}
"""Constants that Cache Components don't allow, and what to use instead (R2.5)."""

OPTION_NAMES = tuple(_PARSERS)
"""The names of all constants of the segment config."""


DISTINCTIVE_NAMES = tuple(name for name in OPTION_NAMES if name != "hosts")
"""Those that nobody gives a variable of another meaning; a name that looks like one of them is a misspelling."""


def parse_segment_config(constants: Mapping[str, object]) -> SegmentConfig:
    """Parse a module's constants; names that aren't options are ignored.

    `hosts` is an everyday word: what can't be a list of hosts is a variable of the author's own, unless `cache_host`
    stands beside it.

    Raises:
        InvalidOption: a value is outside the schema, in every compat version (R2.1; D16).
    """
    values, problems = _parsed_options(constants)
    if problems:
        raise problems[0]
    return SegmentConfig(**values)


def invalid_options(constants: Mapping[str, object]) -> list[InvalidOption]:
    """All that is wrong with a module's constants."""
    return _parsed_options(constants)[1]


def _parsed_options(constants: Mapping[str, object]) -> tuple[dict[str, Any], list[InvalidOption]]:
    values: dict[str, Any] = {}
    problems: list[InvalidOption] = []
    for name, parse in _PARSERS.items():
        if name not in constants:
            continue
        try:
            values[name] = parse(name, constants[name])
        except InvalidOption as error:
            if name in DISTINCTIVE_NAMES or constants.get("cache_host"):
                problems.append(error)
    return values, problems
