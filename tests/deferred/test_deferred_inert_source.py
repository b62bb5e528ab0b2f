"""Which route files do nothing by being imported; all others are executed at the start."""

# ruff: noqa: E501 - one line a source

from __future__ import annotations

import ast
import sys
from textwrap import dedent

import pytest

from millpond.routes.deferred.inert_source import TopImport, inert_imports

INERT = {
    "a handler": "def GET(): return 1",
    "constants": '"""A docstring."""\ndynamic = "force-static"\nrevalidate: float = 60 * 60\nA, B = 1, -2\nC = f"{A} of {B}"\n',
    "containers": 'NAMES = ["a", "b"]\nBY_NAME = {"a": 1, **{}}'.replace(", **{}", ""),
    "options of parameters": "from fastapi import Query\ndef GET(q: str = Query(max_length=3), *, n: int = 2): return q",
    "a dependency of the project's": "from fastapi import Depends\nfrom shop import db, user\n"
    "def GET(a=Depends(user), b=Depends(db.session)): return 1",
    "an alias of a type": "from typing import Annotated\nfrom fastapi import Depends\nimport shop\n"
    "Db = Annotated[shop.Session, Depends(shop.session)]\ndef GET(db: Db) -> list[shop.Item] | None: return None",
    "a module's function": "import fastapi, typing\nQ = typing.Annotated[str, fastapi.Query()]\ndef GET(q: Q): return q",
    "a model": "from pydantic import BaseModel, Field\nclass Item(BaseModel):\n    name: str = Field(min_length=1)\n"
    "    class Inner: pass\nclass Large(Item):\n    size: int = 2\n",
    "an enum and an error": "from enum import StrEnum\nclass Size(StrEnum):\n    S = 's'\nclass Refused(ValueError): pass",
    "a dataclass": "from dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass A:\n"
    "    names: list[str] = field(default_factory=list)\n    @property\n    def first(self): return self.names[0]",
    "decorators of Millpond's": "from millpond import cached, operation\n@cached(tags=['a'])\nasync def items(): return []\n"
    "@operation(status_code=201)\ndef POST(): return 1",
    "a logger": "import logging, re\nlog = logging.getLogger(__name__)\nSLUG = re.compile('[a-z]+')",
    "built-in functions": "SIZES = tuple(range(3))\nMOST = max(SIZES) * len([1, 2])",
    "what type checkers see": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from x import y\n    run()\n",
    "what scripts do": 'def GET(): return 1\nif __name__ == "__main__":\n    print(GET())\n',
    "a constant of a package": "from fastapi import status\nfrom http import HTTPStatus\nOK = status.HTTP_200_OK\nGONE = HTTPStatus.GONE",
    "a lambda": "key = lambda item, by='name': item[by]",
    "an enum with methods": "from enum import Enum\nclass Size(str, Enum):\n    S = 's'\n    def __str__(self): return 'S'",
    "special methods of instances": "class Refused(ValueError):\n    def __init__(self, why): run(why)\n"
    "    def __str__(self): return ''",
    "extra fields of a model": "from pydantic import BaseModel\nclass A(BaseModel):\n    __pydantic_extra__: dict[str, int]",
    "options that are another's": "from fastapi import Query\nfrom shop import MOST\ndef GET(n: int = Query(le=MOST)): return n",
    "own values that are unpacked": "A, B = 1, 2\nC = (A, B)\nD = len(C)",
    "a part of a path": "from pathlib import Path\nHERE = Path(__file__).parent",
    "what is passed on by its name": "from shop import items\nget = items\ndef GET(): return get()",
}
NOT_INERT = {
    "a call": "run()",
    "a call of the project's": "from shop import connect\ndb = connect()",
    "a call of a class of the file's": "class A: pass\na = A()",
    "a method": "from fastapi import APIRouter\nlog = []\nlog.append(1)",
    "a decorator of the project's": "from shop import listens\n@listens\ndef on_order(): pass",
    "a decorator that an object has": "from main import app\n@app.middleware('http')\nasync def guard(request, go): return await go(request)",
    "an environment variable": "import os\nKEY = os.environ['KEY']",
    "an environment variable with a default": "import os\ndef GET(key=os.environ.get('KEY')): return key",
    "a setting": "from shop import settings\nMOST = settings.most",
    "a setting as a default": "from fastapi import Query\nfrom shop import settings\ndef GET(n: int = Query(settings.most)): return n",
    "a value of the project's that is computed with": "from shop import MOST\nLESS = MOST - 1",
    "a value of the project's that is copied": "from shop import NAMES\nOWN = list(NAMES)",
    "a value of the project's in a text": "from shop import NAME\nTITLE = f'of {NAME}'",
    "the clock": "from datetime import datetime\nSTARTED = datetime.now()",
    "a random number": "import secrets\nTOKEN = secrets.token_hex()",
    "a connection": "import sqlite3\ndb = sqlite3.connect('a.db')",
    "all names of a module": "from shop import *",
    "an attribute of another's": "import shop\nshop.most = 3",
    "an item of another's": "from shop import registry\nregistry['a'] = 1",
    "a branch": "import sys\nif sys.platform == 'linux':\n    A = 1\n",
    "an attempt": "try:\n    import fast\nexcept ImportError:\n    fast = None\n",
    "a loop": "for n in range(3):\n    pass\n",
    "a with block": "with open('a') as file:\n    A = file.read()\n",
    "a comprehension": "A = [n for n in range(3)]",
    "a base class of the project's": "from shop import Model\nclass Item(Model): pass",
    "settings of pydantic": "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings): pass",
    "a metaclass": "class A(metaclass=type): pass",
    "a class that runs code when another is made": "class A:\n    def __init_subclass__(cls): run()\nclass B(A): pass",
    "a call in a class": "class A:\n    run()\n",
    "a call in a default": "def GET(a=run()): return a",
    "a call in an annotation": "def GET(a: run()): return a",
    "a name that means something else now": "from fastapi import Depends\nfrom shop import run as Depends\na = Depends(1)",
    "a built-in name that means something else now": "from shop import run as list\na = list()",
    "a class attribute with the name of another's value": "from shop import MOST\nclass A:\n    MOST = 1\nLESS = MOST - 1",
    "an alias of another's value": "from shop import MOST\nmost = MOST\nLESS = most - 1",
    "another's value in a container": "from shop import MOST\nBOTH = (MOST, 1)\nALL = sum(BOTH)",
    "another's value that is unpacked": "from shop import ADDRESS\nHOST, PORT = ADDRESS",
    "another's options": "from fastapi import Query\nfrom shop import options\ndef GET(q=Query(**options)): return q",
    "another's values that are counted": "from collections import Counter\nfrom shop import NAMES\nBY_NAME = Counter(NAMES)",
    "another's names of fields": "import collections\nfrom shop import NAMES\nItem = collections.namedtuple('Item', NAMES)",
    "another's value in an answer": "from fastapi.responses import JSONResponse\nfrom shop import NAMES\na = JSONResponse(NAMES)",
    "an item of another's as a dependency": "from fastapi import Depends\nfrom shop import all\na = Depends(all['user'])",
    "another's value in a class, which may be told its name": "from shop import column\nclass A:\n    name = column",
    "a function that a built-in one calls": "def load(n): run()\nA = sorted([2, 1], key=load)",
    "an alias of such a function": "def load(n): run()\nby = load\nA = sorted([2, 1], key=by)",
    "a class that a built-in function looks at": "class A(dict):\n    def __len__(self): run()\nB = str(A)",
    "a hook of pydantic's": "from pydantic import BaseModel\nclass A(BaseModel):\n    @classmethod\n"
    "    def __pydantic_init_subclass__(cls, **options): run()\nclass B(A): pass",
    "a hook that is assigned": "from shop import hook\nclass A:\n    __init_subclass__ = hook\nclass B(A): pass",
    "a hook that is a lambda": "class A:\n    __init_subclass__ = lambda **options: run()\nclass B(A): pass",
    "members that are made by a function": "from enum import Enum\nclass A(Enum):\n    def __init__(self, n): run()\n    B = 1",
    "members that are made by a base": "import enum\nclass A:\n    def __init__(self, n): run()\nclass B(A, enum.Enum):\n    C = 1",
    "members that a base of the file's makes": "from enum import IntEnum\nclass A(IntEnum): pass\n"
    "class B(A):\n    def __init__(self, n): run()\n    C = 1",
    "values of members that are made": "from enum import Enum, auto\nclass A(Enum):\n"
    "    def _generate_next_value_(name, *rest): return run()\n    B = auto()",
    "the level of a logger": "import logging\nLEVEL = logging.getLogger('a').level",
    "an assertion": "assert True",
    "a deletion": "a = 1\ndel a",
    "a file that is read": "from pathlib import Path\nTEXT = Path('a').read_text()",
}


@pytest.mark.parametrize("source", INERT.values(), ids=INERT)
def test_a_file_that_only_defines_names_is_inert(source: str) -> None:
    assert inert_imports(ast.parse(source)) is not None


@pytest.mark.parametrize("source", NOT_INERT.values(), ids=NOT_INERT)
def test_a_file_that_does_or_asks_more_is_not(source: str) -> None:
    assert inert_imports(ast.parse(source)) is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a statement of Python 3.12")
def test_an_alias_of_a_type_is_inert() -> None:
    assert inert_imports(ast.parse("import shop\ntype Items = list[shop.Item]")) is not None


def test_all_that_is_imported_at_the_top_level_is_told() -> None:
    source = """
        from __future__ import annotations

        import shop.db, json
        from shop import items as found, user
        from . import near
        from ..above import far

        def GET():
            import late
    """
    assert inert_imports(ast.parse(dedent(source))) == [
        TopImport("shop.db", 0, ()),
        TopImport("json", 0, ()),
        TopImport("shop", 0, ("items", "user")),
        TopImport("", 1, ("near",)),
        TopImport("above", 2, ("far",)),
    ]
