"""Fixes a memory leak of pictex 2.3: about a megabyte for each picture that is drawn.

It has two causes, both measured. Each text loads its fonts again, and Skia keeps the glyphs of every font ever loaded:
here, texts of the same look share the fonts of the first one. And the layout library keeps every node that measures
itself in a module-level table: here, a node is removed from the table once it is laid out.
"""

from __future__ import annotations

import functools
import logging
import os
from typing import TYPE_CHECKING, Any

import pictex

from millpond.internals.private_name import PrivateName, tell_unknown

if TYPE_CHECKING:
    from pictex import Style
    from pictex.layout.layout_engine import LayoutEngine
    from pictex.models import FontSmoothing
    from pictex.nodes.node import Node
    from pictex.text.font_manager import FontManager

log = logging.getLogger("millpond.internals")

_VERSION = "2.3."
_KEPT = "about a megabyte of memory is kept for each picture that is drawn"


def _layout_engine() -> Any:
    from pictex.layout.layout_engine import LayoutEngine

    return LayoutEngine()


LOAD_FONTS = PrivateName("pictex.text.font_manager", "FontManager.__init__", _KEPT, positional=3)
LAY_OUT = PrivateName("pictex.layout.layout_engine", "LayoutEngine.compute_layout", _KEPT, positional=2)
NODES = PrivateName("pictex.layout.layout_engine", "LayoutEngine._node_map", _KEPT, sample=_layout_engine)
LOADED = PrivateName("pictex.text.typeface_loader", "TypefaceLoader._typefaces_loading_info", _KEPT)
NODE_TABLE = PrivateName("stretchable.node", "_node_refs", _KEPT)
NODE_KEY = PrivateName("stretchable.node", "Node._node_id", _KEPT)

NAMES = (LOAD_FONTS, LAY_OUT, NODES, LOADED, NODE_TABLE, NODE_KEY)

_MAX_LOOKS = 256
"""Combinations of family, size and weight whose fonts are kept; a project has a handful."""
_MAX_FONTS = 1024
"""Entries kept of pictex's list of loaded fonts, which an export to SVG reads: more than one picture adds."""

_Look = tuple[object, ...]
_looks: dict[_Look, FontManager] = {}
_load_fonts: Any = LOAD_FONTS.get()
_lay_out: Any = LAY_OUT.get()
_loaded: Any = LOADED.get()
_node_table: Any = NODE_TABLE.get()


@functools.cache
def install() -> None:
    """Install the fix in this process, if pictex has the known version and names."""
    if not pictex.__version__.startswith(_VERSION):
        log.warning("pictex %s isn't a version that Millpond knows: %s", pictex.__version__, _KEPT)
        return
    tell_unknown(NAMES)
    if all(name.is_known for name in NAMES):
        _replace()


def _replace() -> None:
    from pictex.layout.layout_engine import LayoutEngine
    from pictex.text.font_manager import FontManager

    FontManager.__init__ = _share_fonts  # type: ignore[method-assign]
    LayoutEngine.compute_layout = _lay_out_and_forget  # type: ignore[method-assign]


def _share_fonts(self: FontManager, style: Style, font_smoothing: FontSmoothing) -> None:
    look = _look(style, font_smoothing)
    first = _looks.get(look)
    if first is None:
        _load_fonts(self, style, font_smoothing)
        if len(_looks) >= _MAX_LOOKS:
            _looks.clear()
        _looks[look] = self
    else:
        vars(self).update(vars(first), _style=style)


def _look(style: Style, font_smoothing: FontSmoothing) -> _Look:
    """What determines a text's fonts. A font file that was replaced is another font."""
    names = [style.font_family.get(), *style.font_fallbacks.get()]
    files = tuple((name, _stamp(name)) for name in names)
    return files, style.font_size.get(), style.font_weight.get(), style.font_style.get(), font_smoothing


def _stamp(name: str | None) -> tuple[int, int] | None:
    """Modification time and size of a font file; None for the name of a system font."""
    try:
        status = os.stat(name or "")
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _lay_out_and_forget(self: LayoutEngine, root: Node) -> None:
    try:
        _lay_out(self, root)
    finally:
        for node in self._node_map.values():
            _node_table.pop(node._node_id, None)  # noqa: SLF001 - as above
        del _loaded[:-_MAX_FONTS]
