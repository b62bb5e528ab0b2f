"""The documented defaults that differ between Next.js versions. The mechanisms are the same for all of them."""

from __future__ import annotations

from enum import StrEnum


class Compat(StrEnum):
    """Which version's defaults an application was written for."""

    V14 = "14"
    V15 = "15"
    V16 = "16"

    @property
    def get_is_static_by_default(self) -> bool:
        """Whether a plain GET is rendered at build without an opt-in (R3.1); since 15 it is live (R3.2)."""
        return self is Compat.V14
