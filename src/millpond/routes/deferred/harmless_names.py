"""What a route file may use at its top level, and still do nothing by being imported."""

from __future__ import annotations

import builtins

_ANY = None
"""In place of names: all that a module exports."""
WITHOUT_EFFECT: dict[str, frozenset[str] | None] = {
    "annotated_types": _ANY,
    "collections": frozenset({"ChainMap", "Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"}),
    "collections.abc": _ANY,
    "dataclasses": frozenset({"InitVar", "dataclass", "field"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "enum": frozenset({"Enum", "Flag", "IntEnum", "IntFlag", "StrEnum", "auto", "unique"}),
    "fastapi": frozenset(
        {
            *("BackgroundTasks", "Body", "Cookie", "Depends", "File", "Form", "HTTPException", "Header", "Path"),
            *("Query", "Request", "Response", "Security", "UploadFile", "status"),
        }
    ),
    "fastapi.responses": _ANY,
    "fastapi.security": _ANY,
    "fractions": frozenset({"Fraction"}),
    "functools": frozenset({"cache", "cached_property", "lru_cache", "partial", "total_ordering"}),
    "http": frozenset({"HTTPMethod", "HTTPStatus"}),
    "logging": frozenset({"getLogger"}),
    "millpond": frozenset(
        {"JSONResponse", "HTMLResponse", "PlainTextResponse", "Request", "Response", "cached", "operation"}
    ),
    "pathlib": frozenset({"Path", "PurePath", "PurePosixPath"}),
    "pydantic": frozenset(
        {
            *("AfterValidator", "AliasChoices", "BaseModel", "BeforeValidator", "ConfigDict", "Discriminator", "Field"),
            *("PlainSerializer", "PrivateAttr", "RootModel", "StringConstraints", "Tag", "TypeAdapter"),
            *("computed_field", "field_serializer", "field_validator", "model_serializer", "model_validator"),
        }
    ),
    "re": frozenset({"compile"}),
    "starlette.responses": _ANY,
    "types": frozenset({"MappingProxyType", "SimpleNamespace"}),
    "typing": _ANY,
    "typing_extensions": _ANY,
    "uuid": frozenset({"UUID"}),
}
"""What may be called, or be the base of a class, by the modules that export it."""
BUILTINS = frozenset(
    {
        *("abs", "bool", "bytes", "classmethod", "dict", "divmod", "enumerate", "float", "frozenset", "int", "len"),
        *("list", "max", "min", "pow", "property", "range", "reversed", "round", "set", "slice", "sorted"),
        *("staticmethod", "str", "sum", "tuple", "zip"),
    }
)
BASES = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
) | {"bool", "bytes", "dict", "float", "frozenset", "int", "list", "object", "set", "str", "tuple"}
BY_REFERENCE = frozenset({"Depends", "Security"})
"""What only keeps its arguments."""
READERS = {
    *("collections", "datetime", "decimal", "enum", "fastapi.responses", "fractions", "pathlib", "re"),
    *("starlette.responses", "uuid"),
}
"""Modules whose functions look into their arguments when they are called, and make something that is nobody else's."""
ENUMS = frozenset({"Enum", "Flag", "IntEnum", "IntFlag", "StrEnum"})
"""Classes of `enum`; the members of a class with one of these as base are made together with the class."""
OF_INSTANCES = frozenset(
    {
        *("__abs__", "__add__", "__aenter__", "__aexit__", "__aiter__", "__and__", "__anext__", "__await__"),
        *("__bool__", "__bytes__", "__call__", "__contains__", "__copy__", "__deepcopy__", "__delattr__"),
        *("__delitem__", "__doc__", "__enter__", "__eq__", "__exit__", "__float__", "__floordiv__", "__format__"),
        *("__ge__", "__getattr__", "__getattribute__", "__getitem__", "__gt__", "__hash__", "__index__", "__init__"),
        *("__int__", "__invert__", "__iter__", "__le__", "__len__", "__lt__", "__match_args__", "__mod__"),
        *("__mul__", "__ne__", "__neg__", "__next__", "__or__", "__post_init__", "__pow__", "__pydantic_extra__"),
        *("__radd__", "__repr__", "__reversed__", "__rmul__", "__rsub__", "__setattr__", "__setitem__", "__slots__"),
        *("__str__", "__sub__", "__truediv__", "__xor__"),
    }
)
"""Special names in a class that mean something to its instances only. Others run while the class is made, or one that
derives from it, as `__init_subclass__` and `__pydantic_init_subclass__` do."""
