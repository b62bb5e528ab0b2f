"""The identity of a cached function's call, as bytes that are the same in every process (R5.21, R5.30)."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
from collections import OrderedDict, defaultdict
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from types import BuiltinFunctionType, CellType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic

from millpond.cache.functions.code.call_arguments import defaults_of
from millpond.cache.functions.code.code_facts import layers_of, name_and_code
from millpond.cache.functions.plain import NotPlain, fields_of, hidden_of, text_of
from millpond.cache.functions.scalars import PATHS, SCALARS, SECRETS

CACHE_KEY = "__cache_key__"
"""The method by which a class says what tells its objects apart."""

_BY_TEXT = (datetime, date, time, timedelta, Decimal, UUID)
_EXACT = frozenset(
    {str, bytes, int, bool, float, type(None), list, tuple, set, frozenset, dict, *_BY_TEXT, *SCALARS, *SECRETS}
)
"""Types whose instances can't have additional attributes."""
_DEPTH = 3
"""How deep objects and containers are looked into that decorators hold."""
_OPERATORS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)


def identity(value: object, where: str) -> Any:
    """`value` as nested lists with its types, for keys.

    1, True, 1.0 and "1" differ, and so do dates and strings that look equal. Dicts and sets are sorted. Attributes of
    the user's classes that aren't fields count, too, as the function may read them. A class may say itself what tells
    its objects apart, by a method `__cache_key__`.

    Raises:
        NotPlain: it contains a value that has no such form.
    """
    if isinstance(value, type):
        return _of_class(value, where)
    if (key := getattr(type(value), CACHE_KEY, None)) is not None:
        return [_class(value), identity(key(value), f"{CACHE_KEY}() of {where}")]
    shown = _shown(value, where)
    if type(value) in _EXACT or isinstance(value, Enum):
        return shown
    hidden = _hidden(value)
    return shown if not hidden else [shown, identity(hidden, where)]


def _shown(value: object, where: str) -> Any:
    if isinstance(value, Flag):
        return [_class(value), str(value.value)]  # a combination may have no name
    if isinstance(value, Enum):
        return [_class(value), value.name]
    if isinstance(value, float):
        return [_class(value), "nan" if math.isnan(value) else value.hex()]
    if isinstance(value, int):
        return [_class(value), f"{value:x}"]
    if isinstance(value, str):
        return [_class(value), value.encode("utf-8", "surrogatepass")]
    if value is None or isinstance(value, bytes):
        return [_class(value), value]
    if isinstance(value, list | tuple):
        return [_class(value), [identity(item, f"{where}[{n}]") for n, item in enumerate(value)]]
    if isinstance(value, set | frozenset):
        return [_class(value), sorted(encode_identity(identity(item, f"an item of {where}")) for item in value)]
    if isinstance(value, dict):
        return _of_dict(value, where)
    fields = fields_of(value)
    if fields is not None:
        items = [[name, identity(item, f"{where}.{name}")] for name, item in fields.items()]
        given = sorted(value.model_fields_set) if isinstance(value, pydantic.BaseModel) else None
        return [_class(value), items, given]
    if isinstance(value, datetime | time) and type(value) in _BY_TEXT:
        return [_class(value), text_of(value), value.fold, _zone(value, where)]
    if type(value) in _BY_TEXT:
        return [_class(value), text_of(value)]
    if type(value) in SCALARS and not isinstance(value, PATHS):
        return [_class(value), str(value)]
    if isinstance(value, SECRETS):
        return [_class(value), value.get_secret_value()]
    if isinstance(value, tzinfo):
        return _zone_itself(value, where)
    if isinstance(value, re.Pattern):
        return [_class(value), identity(value.pattern, where), value.flags]
    raise NotPlain(value, where)


def _of_dict(value: dict[Any, Any], where: str) -> Any:
    pairs = [
        encode_identity([identity(key, f"a key of {where}"), identity(item, f"{where}[{key!r}]")])
        for key, item in value.items()
    ]
    if not isinstance(value, OrderedDict):  # two of these are equal only if they have the same order
        pairs.sort()
    factory = value.default_factory if isinstance(value, defaultdict) else None
    return [_class(value), pairs, *([identity(factory, f"the default_factory of {where}")] if factory else [])]


def _of_class(value: type, where: str) -> Any:
    if "<locals>" in value.__qualname__:
        raise NotPlain(value, where, ", a class that a function has made")
    return [_class(value), value.__module__, value.__qualname__]


def _hidden(value: object) -> dict[str, Any]:
    """The attributes of an object that aren't fields, and that can't be derived from its fields."""
    private = getattr(value, "__pydantic_private__", None) if isinstance(value, pydantic.BaseModel) else None
    return {**hidden_of(value), **(private or {})}


def _zone(value: datetime | time, where: str) -> Any:
    """The time zone: two zones with the same offset now may differ in summer."""
    return None if value.tzinfo is None else _zone_itself(value.tzinfo, f"the time zone of {where}")


def _zone_itself(zone: tzinfo, where: str) -> Any:
    if isinstance(zone, ZoneInfo):
        if zone.key is None:
            raise NotPlain(zone, where, " without a key")
        return [_class(zone), zone.key]
    shown = repr(zone)
    if f"0x{id(zone):x}" in shown:  # it says nothing about itself
        raise NotPlain(zone, where, ", which has no name; use zoneinfo.ZoneInfo")
    return [_class(zone), shown]


def encode_identity(value: Any) -> bytes:
    """The result of `identity` as bytes."""
    return msgspec.msgpack.encode(value)


def _class(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def captured_identity(function: FunctionType, above: tuple[FunctionType, ...] = ()) -> Any:
    """The variables, by name, that a function and its decorators' wrappers close over.

    The decorators of a module-level function ran when the module was imported, so they hold no request data. What has
    no identity there is left out, such as the policy of a retry decorator; `held_by_decorators` looks into it.

    Raises:
        NotPlain: another variable has no identity.
    """
    *wrappers, inner = layers = layers_of(function)
    above = (*above, *layers)
    around = [_captured(each, above, strict=_is_local(inner), defaults=True) for each in wrappers]
    return [_captured(inner, above, strict=True, defaults=False), around]


def _captured(function: FunctionType, above: tuple[FunctionType, ...], *, strict: bool, defaults: bool) -> Any:
    """The variables of one function. The cached function's own defaults are left out, as they count as arguments."""
    values = _cells(function) + (defaults_of(function) if defaults else [])
    found = []
    for name, value in values:
        try:
            found.append([name, _value(value, f'"{name}"', above)])
        except (NotPlain, RecursionError) as problem:
            if not strict:
                continue
            if isinstance(problem, NotPlain):
                raise
            raise NotPlain(value, f'"{name}"', ", and contains itself, or is nested too deeply") from None
    return found


def _cells(function: FunctionType) -> list[tuple[str, Any]]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return [(name, _content(cell)) for name, cell in cells]


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _is_local(function: FunctionType) -> bool:
    """Whether it is defined inside another function, so that it may hold values of one call of that function."""
    return "<locals>" in function.__qualname__


def _value(value: object, where: str, above: tuple[FunctionType, ...]) -> Any:
    if isinstance(value, FunctionType):
        if layers_of(value)[-1] in above:  # recursive, or the function that a decorator wraps
            return [name_and_code(value), None]
        defaults = _captured_defaults(value, above)
        return [name_and_code(value), captured_identity(value, above), defaults]
    if isinstance(value, ModuleType):
        return [_class(value), value.__name__]
    if isinstance(value, BuiltinFunctionType) and "<locals>" not in value.__qualname__:
        owner = value.__self__  # of a method, such as `{…}.get`; of a function, its module
        of_owner = None if isinstance(owner, ModuleType | None) else _value(owner, f"the object of {where}", above)
        return [_class(value), value.__module__, value.__qualname__, of_owner]
    if isinstance(value, functools.partial):
        given = [*value.args, *value.keywords.values()]
        return [_value(value.func, where, above), [_value(each, where, above) for each in given], [*value.keywords]]
    if isinstance(value, MethodType):
        return [_value(value.__func__, where, above), _value(value.__self__, where, above)]
    return identity(value, where)


def held_by_decorators(function: FunctionType) -> Any:
    """What the objects contain that the decorators of a module-level function hold, and that have no identity.

    Call it when the function is decorated: such objects may keep a state, such as counters, that each call changes.
    Numbers with a fraction are left out: they are times as a rule, and differ between processes.
    """
    *wrappers, inner = layers = layers_of(function)
    if _is_local(inner):
        return None  # all that it closes over has an identity, or there is no key
    values = [value for each in wrappers for _, value in (*_cells(each), *defaults_of(each))]
    return [_contents(value, tuple(layers), _DEPTH) for value in values]


def _contents(value: object, above: tuple[FunctionType, ...], depth: int) -> Any:
    if isinstance(value, float):
        return None
    try:
        return _value(value, "", above)
    except (NotPlain, RecursionError):
        parts = _parts(value) if depth else {}
        return [_class(value), [[name, _contents(each, above, depth - 1)] for name, each in parts.items()]]


def _parts(value: object) -> dict[str, Any]:
    if isinstance(value, MethodType):
        return {"function": value.__func__, **_parts(value.__self__)}
    if isinstance(value, functools.partial):
        return {"function": value.func, **{str(n): each for n, each in enumerate(value.args)}, **value.keywords}
    if isinstance(value, FunctionType):
        return {"code": name_and_code(value), **dict([*_cells(value), *defaults_of(value)])}
    if isinstance(value, BuiltinFunctionType) and not isinstance(value.__self__, ModuleType | None):
        return {"function": value.__qualname__, "object": value.__self__}
    if isinstance(value, _OPERATORS):
        return {"arguments": value.__reduce__()[1:]}
    if isinstance(value, dict | MappingProxyType):
        return {str(n): each for n, each in enumerate(itertools.chain.from_iterable(value.items()))}
    if isinstance(value, list | tuple):
        return {str(n): each for n, each in enumerate(value)}
    attributes: dict[str, Any] = getattr(value, "__dict__", {})
    return {**attributes, **_slots(value)}


def _slots(value: object) -> dict[str, Any]:
    """What an object keeps in `__slots__`."""
    try:
        state = object.__getstate__(value)
    except TypeError:  # it is of a kind that only its own code looks into
        return {}
    return state[1] if isinstance(state, tuple) else {}


def _captured_defaults(function: FunctionType, above: tuple[FunctionType, ...]) -> Any:
    """The defaults of a local function that a cached one calls: they aren't among the arguments of the cached one."""
    inner = layers_of(function)[-1]
    if not _is_local(inner):
        return None
    return [[name, _value(value, f'"{name}"', (*above, inner))] for name, value in defaults_of(inner)]
