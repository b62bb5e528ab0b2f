"""The letters of a card: the font, and names in the largest size that fits."""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path

from pictex import Text
from PIL.ImageFont import FreeTypeFont, truetype

# Pitfall: characters that the font lacks come from the fonts of the machine that draws, and those differ. This one has
# Latin, Greek and Cyrillic letters; a shop that sells in Tokyo adds a second file.
FONTS = ["fonts/SourceSerifPro-Semibold.ttf"]

SIZES = (118, 100, 84, 58, 45)
"""Pixels of a name: the first that makes it fit is taken."""
LINE = 1.1
"""Height of a line, in sizes of its letters."""


def title(name: str, width: int, height: int) -> Text:
    """A name as large as it fits into so many pixels; what doesn't fit in the smallest size is cut off."""
    for size in SIZES:
        lines, most = _lines(name, size, width), int(height / (LINE * size))
        if len(lines) <= most:
            break
    else:
        lines = [*lines[: most - 1], lines[most - 1][:-1] + "…"]
    return Text("\n".join(lines)).font_size(size).line_height(LINE)


def _lines(name: str, size: int, width: int) -> list[str]:
    """The words of a name in lines; one that is wider than a line is cut."""
    lines = [""]
    for word in name.split():
        line = f"{lines[-1]} {word}".lstrip()
        if _width(line, size) <= width:
            lines[-1] = line
            continue
        lines = [line for line in lines if line]
        while _width(word, size) > width:
            end = next(end for end in range(len(word)) if _width(word[: end + 1], size) > width)
            lines.append(word[:end])
            word = word[end:]
        lines.append(word)
    return lines


def _width(text: str, size: int) -> float:
    """Pixels. Letters of Chinese and Japanese, which come from another font, are squares."""
    square = [letter for letter in text if unicodedata.east_asian_width(letter) in "WF"]
    return (len(square) + _font().getlength("".join(letter for letter in text if letter not in square)) / 100) * size


@functools.cache
def _font() -> FreeTypeFont:
    """The font at 100 pixels, to measure with."""
    return truetype(Path(__file__).parent.parent / FONTS[0], 100)
