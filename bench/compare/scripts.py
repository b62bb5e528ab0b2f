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


def mixed(folder: Path, hit: str, write: str, every: int) -> Path:
    """A POST that invalidates among so many hits."""
    return _written(folder / "mixed.lua", _MIXED % (every, write, hit))


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
