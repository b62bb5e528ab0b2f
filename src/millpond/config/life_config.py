"""`[cache_life.NAME]`: named lifetimes."""

from __future__ import annotations

import msgspec

from millpond.policy.profiles import Profile, ages_given, ages_of, profile_from


class CacheLife(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named lifetime; seconds, `inf` is never; what is left out is the default's (R5.33)."""

    stale: float | None = None
    revalidate: float | None = None
    expire: float | None = None

    def profile(self, default: Profile) -> Profile:
        """Raises InvalidLife: an age makes no sense."""
        ages = ages_of(default) | ages_given(self.stale, self.revalidate, self.expire)
        if self.revalidate is None:  # the default's may be over the end that was given
            ages["revalidate"] = min(ages["revalidate"], ages["expire"])
        return profile_from(ages)
