"""Fixes for memory leaks of pictex 2.3: about a megabyte for each picture.

Two causes, both measured. Each text loads its fonts anew, and Skia keeps the glyphs of every font that was ever loaded:
here, texts of one look share the fonts of the first. And the layout library keeps every node that measures itself in
a table of its module: here, a node leaves the table when it has its place.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pictex.layout import layout_engine
from pictex.text import font_manager, typeface_loader
from stretchable import node as stretchable_node  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pictex import Style
    from pictex.models import FontSmoothing
    from pictex.nodes.node import Node

_MOST_LOOKS = 256
"""Families, sizes and weights that are kept; a project has a handful."""
_MOST_FONTS = 1024
"""Entries of pictex's list of loaded fonts, which an export to SVG reads: more than one picture makes."""

_Look = tuple[object, ...]
_looks: dict[_Look, font_manager.FontManager] = {}
_load_fonts = font_manager.FontManager.__init__
_lay_out = layout_engine.LayoutEngine.compute_layout


def install() -> None:
    """Apply the fixes to this process; idempotent."""
    font_manager.FontManager.__init__ = _share_fonts  # type: ignore[method-assign]
    layout_engine.LayoutEngine.compute_layout = _lay_out_and_forget  # type: ignore[method-assign]


def _share_fonts(self: font_manager.FontManager, style: Style, font_smoothing: FontSmoothing) -> None:
    look = _look(style, font_smoothing)
    first = _looks.get(look)
    if first is None:
        _load_fonts(self, style, font_smoothing)
        if len(_looks) >= _MOST_LOOKS:
            _looks.clear()
        _looks[look] = self
    else:
        vars(self).update(vars(first), _style=style)


def _look(style: Style, font_smoothing: FontSmoothing) -> _Look:
    """What decides about a text's fonts. A file that was replaced is another font."""
    names = [style.font_family.get(), *style.font_fallbacks.get()]
    files = tuple((name, _stamp(name)) for name in names)
    return files, style.font_size.get(), style.font_weight.get(), style.font_style.get(), font_smoothing


def _stamp(name: str | None) -> tuple[int, int] | None:
    """Of a font file; None for a name, which the system knows."""
    try:
        status = os.stat(name or "")
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _lay_out_and_forget(self: layout_engine.LayoutEngine, root: Node) -> None:
    try:
        _lay_out(self, root)
    finally:
        for node in self._node_map.values():
            stretchable_node._node_refs.pop(node._node_id, None)  # noqa: SLF001 - it has no other way out
        del typeface_loader.TypefaceLoader._typefaces_loading_info[:-_MOST_FONTS]  # noqa: SLF001 - as above
