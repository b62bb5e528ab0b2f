"""From parsed TOML to values of the right types: each mistake is one sentence with the key and what it may be."""

from __future__ import annotations

import types
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard, Union, get_args, get_origin

import msgspec

from millpond.config.values.quantities import Quantity, amount
from millpond.errors import ConfigError
from millpond.messages import closest, in_one_line, one_of

_MAX_SHOWN = 60
"""Characters of a value in a message."""

_TOO_MANY = 2**31
"""No number of things is as large."""
_WHOLE = f"a whole number below {_TOO_MANY}"

Table: TypeAlias = type[msgspec.Struct]


class Written(Enum):
    """How else a value may be written."""

    ONE_OR_MORE = "a list with one item may be written as that item"


ONE_OR_MORE = Written.ONE_OR_MORE
"""Marks a tuple: `Annotated[tuple[str, ...], ONE_OR_MORE]` takes "A" and ["A", "B"]."""


class InvalidValue(Exception):
    """A value that can't be used. The message has the key, and what it may be."""


def read_table(kind: Table, values: dict[str, Any], source: str) -> Any:
    """The table `kind` with the values of a file.

    Args:
        kind: the type of the whole configuration, or of a table of it.
        values: what was parsed.
        source: the name of the file, in messages.

    Raises:
        ConfigError: a key is unknown or missing, or has a value that it can't have.
    """
    try:
        return msgspec.convert(_table(kind, values, "", kind), kind)
    except InvalidValue as error:
        raise ConfigError(f"{source}: {in_one_line(str(error))}") from None


def _table(kind: Table, values: dict[str, Any], place: str, root: Table) -> dict[str, Any]:
    """The values of a table, as msgspec takes them; `place` is the table's own key, empty for the root."""
    prefix = f"{place}." if place else ""
    tag = kind.__struct_config__.tag_field
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    read = {}
    for name, value in values.items():
        if name == tag:
            read[name] = value
            continue
        if name not in fields:
            raise InvalidValue(_unknown(name, prefix, fields, root))
        read[name] = _value(fields[name].type, value, f"{prefix}{name}", root)
    for name, field in fields.items():
        if field.required and name not in values:
            raise InvalidValue(f'"{prefix}{name}" is missing; it must be {_allowed(field.type, f"{prefix}{name}")}.')
    return read


def _unknown(name: str, prefix: str, fields: dict[str, Any], root: Table) -> str:
    guess = closest(name, fields)
    if guess is not None:
        guess = f"{prefix}{guess}"
    else:
        guess = next((key for key in _keys(root) if key.rpartition(".")[2] == name), None)
    remedy = f'did you mean "{guess}"?' if guess else f"the keys here are {one_of(fields)}."
    return f'there is no key "{prefix}{name}"; {remedy}'


def _keys(root: Table) -> list[str]:
    """The keys of all tables that are there once."""
    found = []
    for field in msgspec.structs.fields(root):
        inner = _tables_in(field.type)
        if len(inner) == 1 and get_origin(field.type) not in (dict, tuple, list):
            found += [f"{field.name}.{each.name}" for each in msgspec.structs.fields(inner[0])]
    return found


def _value(kind: Any, value: object, place: str, root: Table) -> Any:
    quantity = _quantity(kind)
    if quantity is not None:
        found = amount(value, quantity)
        return found if found is not None else _refuse(kind, value, place)
    if _is_one_or_more(kind):
        item = get_args(get_args(kind)[0])[0]
        one = not isinstance(value, list | tuple)
        return [_value(item, value, place, root)] if one else _list(kind, item, value, place, root)
    options = _options(kind)
    if len(options) > 1 and all(_is_table(option) for option in options):
        return _tagged(options, value, place, root)
    option = options[0]
    origin = get_origin(option)
    if origin in (list, tuple):
        return _list(kind, get_args(option)[0], value, place, root)
    if origin is dict:
        return _named(kind, get_args(option)[1], value, place, root)
    if _is_table(option):
        return _table(option, value, place, root) if isinstance(value, dict) else _refuse(kind, value, place)
    return _scalar(option, kind, value, place)


def _scalar(option: Any, kind: Any, value: object, place: str) -> object:
    if names := _names(option):
        # compat = 16 is the number that "16" names.
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        return text if text in names else _refuse(kind, value, place)
    if option is int:
        return int(value) if _is_whole(value) else _refuse(kind, value, place)
    if isinstance(value, str) and "\0" in value:  # no name, path, pattern or header can have one
        raise InvalidValue(f'"{place}" has a NUL character in it; it must be {_allowed(kind, place)} without one.')
    return value if isinstance(value, option) else _refuse(kind, value, place)


def _is_whole(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _TOO_MANY and value == int(value)


def _list(kind: Any, item: Any, value: object, place: str, root: Table) -> Any:
    if not isinstance(value, list | tuple):
        return _refuse(kind, value, place)
    return [_value(item, each, f"{place}[{number}]", root) for number, each in enumerate(value)]


def _named(kind: Any, item: Any, value: object, place: str, root: Table) -> Any:
    if not isinstance(value, dict):
        return _refuse(kind, value, place)
    return {name: _value(item, each, f"{place}.{name}", root) for name, each in value.items()}


def _tagged(options: list[Any], value: object, place: str, root: Table) -> dict[str, Any]:
    """A table whose type one of its keys tells."""
    if not isinstance(value, dict):
        raise InvalidValue(f'"{place}" is {_shown(value)}; it must be a table.')
    field = options[0].__struct_config__.tag_field
    by_tag = {str(option.__struct_config__.tag): option for option in options}
    tag = value.get(field)
    if not isinstance(tag, str) or tag not in by_tag:
        what = "is missing" if tag is None else f"is {_shown(tag)}"
        raise InvalidValue(f'"{place}.{field}" {what}; it must be {one_of(by_tag)}.{_meant(tag, by_tag)}')
    return _table(by_tag[tag], value, place, root)


def _refuse(kind: Any, value: object, place: str) -> Any:
    # What should be a text may be a secret in a wrong place: only what kind of value it is, is said.
    what = _kind(value) if _options(kind)[0] is str else _shown(value)
    raise InvalidValue(
        f'"{place}" is {what}; it must be {_allowed(kind, place)}.{_meant(value, _names(_options(kind)[0]))}'
    )


def _allowed(kind: Any, key: str) -> str:
    quantity = _quantity(kind)
    if quantity is not None:
        return quantity.value
    if _is_one_or_more(kind):
        return f"{_allowed(get_args(get_args(kind)[0])[0], key)}, or a list of such"
    option = _options(kind)[0]
    if names := _names(option):
        return one_of(names)
    origin = get_origin(option)
    if origin in (list, tuple):
        if _tables_in(option):
            return f"a list of tables, each written [[{key}]]"
        names = _names(get_args(option)[0])
        return f"a list of {one_of(names)}" if names else 'a list of texts, such as ["…", "…"]'
    if origin is dict and not _tables_in(option):
        return f'a table of names and values, such as {key.rpartition(".")[2]} = {{ name = "value" }}'
    if origin is dict:
        return f"a table of tables, each written [{key}.NAME]"
    if _is_table(option):
        return "a table"
    kinds = {
        bool: "true or false",
        int: _WHOLE,
        float: "a number",
        str: "a text in quotes",
    }
    return kinds[option]


def _quantity(kind: Any) -> Quantity | None:
    for option in _options(kind):
        for each in getattr(option, "__metadata__", ()):
            if isinstance(each, Quantity):
                return each
    return None


def _is_one_or_more(kind: Any) -> bool:
    return get_origin(kind) is Annotated and ONE_OR_MORE in kind.__metadata__


def _options(kind: Any) -> list[Any]:
    """The types that a key accepts, None left out: that is what it has where the file says nothing."""
    if get_origin(kind) in (Union, types.UnionType):
        return [option for option in get_args(kind) if option is not type(None)]
    return [kind]


def _names(option: Any) -> list[str]:
    """The words that a key accepts, if it accepts nothing else."""
    if get_origin(option) is Literal:
        return [str(name) for name in get_args(option)]
    return [str(each.value) for each in option] if isinstance(option, type) and issubclass(option, Enum) else []


def _is_table(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, msgspec.Struct)


def _tables_in(kind: Any) -> list[Table]:
    """The table types that a key accepts, also inside of lists, dicts, unions and optional types."""
    if _is_table(kind):
        return [kind]
    return [table for option in get_args(kind) for table in _tables_in(option)]


def _meant(value: object, names: Any) -> str:
    guess = closest(value, names) if isinstance(value, str) and names else None
    return f' Did you mean "{guess}"?' if guess else ""


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value[:_MAX_SHOWN]}{"…" if len(value) > _MAX_SHOWN else ""}"'
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else _kind(value)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    names = {str: "a text", int: "a number", float: "a number", list: "a list", tuple: "a list", dict: "a table"}
    return names.get(type(value), "a date or a time")
