"""The documented defaults that differ between the versions of the model; never the quality of a mechanism."""

from __future__ import annotations

from enum import StrEnum


class Compat(StrEnum):
    """Which version's defaults an application was written for."""

    V14 = "14"
    V15 = "15"
    V16 = "16"

    @property
    def get_is_static_by_default(self) -> bool:
        """A plain GET is rendered at build without any opt-in (R3.1); since 15 it is live (R3.2)."""
        return self is Compat.V14
