"""What wrk asks for where it isn't always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = """
local keys = %d
request = function()
  return wrk.format("GET", "%s" .. math.random(0, keys - 1))
end
"""

_COLD = """
local number = %d
request = function()
  number = number + 1
  return wrk.format("GET", "%s" .. number)
end
"""

_EACH = """
local number = %d
request = function()
  number = number + 1
  return wrk.format("GET", "%s" .. (number %% %d))
end
"""

_SOME_MISSES = """
local asked, number = 0, %d
request = function()
  asked = asked + 1
  if asked %% %d == 0 then
    number = number + 1
    return wrk.format("GET", "%s" .. number)
  end
  return wrk.format("GET", "%s" .. math.random(0, %d - 1))
end
"""

_WRITES = """
local asked = 0
request = function()
  asked = asked + 1
  local number = math.random(0, %d - 1)
  if asked %% %d == 0 then
    return wrk.format("POST", "%s" .. number)
  end
  return wrk.format("GET", "%s" .. number)
end
"""

_MIXED = """
local number = 0
request = function()
  number = number + 1
  if number %% %d == 0 then
    return wrk.format("POST", "%s")
  end
  return wrk.format("GET", "%s")
end
"""


def keys(folder: Path, prefix: str, number: int) -> Path:
    """Any of `number` paths, at random."""
    return _written(folder / "keys.lua", _KEYS % (number, prefix))


def cold(folder: Path, prefix: str, first: int) -> Path:
    """A path that nobody asked for before, each time."""
    return _written(folder / "cold.lua", _COLD % (first, prefix))


def each(folder: Path, prefix: str, number: int, first: int) -> Path:
    """One of `number` paths after the other, again and again."""
    return _written(folder / "each.lua", _EACH % (first - 1, prefix, number))


def some_misses(folder: Path, prefix: str, known: int, first: int, every: int) -> Path:
    """Any of the known paths at random; each so-manieth request is for one that nobody asked for before."""
    return _written(folder / "some-misses.lua", _SOME_MISSES % (first, every, prefix, prefix, known))


def writes(folder: Path, prefix: str, write: str, number: int, every: int) -> Path:
    """Any of `number` paths at random; each so-manieth request is a POST that invalidates one of them."""
    return _written(folder / "writes.lua", _WRITES % (number, every, write, prefix))


def mixed(folder: Path, hit: str, write: str, every: int) -> Path:
    """A POST that invalidates among so many hits."""
    return _written(folder / "mixed.lua", _MIXED % (every, write, hit))


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
