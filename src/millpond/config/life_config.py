"""`[cache_life.NAME]`: named lifetimes."""

from __future__ import annotations

import msgspec

from millpond.config.values.quantities import SecondsOrNever, Share
from millpond.policy.profiles import Profile, ages_given, ages_of, profile_from


class CacheLife(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named lifetime in seconds; `inf` means never. What is left out comes from the default lifetime (R5.33)."""

    stale: SecondsOrNever | None = None
    revalidate: SecondsOrNever | None = None
    expire: SecondsOrNever | None = None
    jitter: Share | None = None
    """The largest share of `revalidate` by which a result goes stale earlier; None is that of `[cache]`."""

    def profile(self, default: Profile) -> Profile:
        """Raises InvalidLife: an age makes no sense."""
        ages = ages_of(default) | ages_given(self.stale, self.revalidate, self.expire)
        if self.revalidate is None:  # the default's may be later than the given `expire`
            ages["revalidate"] = min(ages["revalidate"], ages["expire"])
        return profile_from(ages, default.jitter if self.jitter is None else self.jitter)
