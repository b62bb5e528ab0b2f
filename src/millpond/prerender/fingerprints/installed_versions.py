"""The versions of the installed distributions that code imports, and of those that they need."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import Distribution, distributions, packages_distributions
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def normalised(name: str) -> str:
    """The name of a distribution, as all spellings of it are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass
class InstalledVersions:
    """The distributions of this environment, as far as they were asked for."""

    _needed: dict[str, frozenset[str]] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=dict)

    def of(self, packages: Iterable[str]) -> list[str]:
        """Of the distributions that have these packages, and of all that they need: "name version", sorted.

        Args:
            packages: outermost packages; those that no distribution has, nor its name, are left out.
        """
        # One that is installed as a link to its source doesn't say which packages it has: its name must do.
        found = {normalised(name) for package in packages for name in self._by_package.get(package, (package,))}
        needed = frozenset[str]().union(*map(self._with_needed, found))
        return sorted(map(self._with_version, needed))

    def _with_version(self, name: str) -> str:
        known = self._versions.get(name)
        if known is None:
            known = self._versions[name] = f"{name} {self._installed[name].version}"
        return known

    @cached_property
    def python(self) -> str:
        """Which Python it is: answers may show what another one does."""
        return f"{sys.implementation.name} {sys.version.partition(' ')[0]}"

    @cached_property
    def _by_package(self) -> Mapping[str, list[str]]:
        return packages_distributions()

    @cached_property
    def _installed(self) -> dict[str, Distribution]:
        found: dict[str, Distribution] = {}
        for each in distributions():
            name = each.metadata["Name"]
            if name:
                found.setdefault(normalised(name), each)
        return found

    @cached_property
    def _loaded(self) -> frozenset[str]:
        """The distributions of which something is loaded."""
        packages = {name.partition(".")[0] for name in sys.modules}
        return frozenset(normalised(name) for package in packages for name in self._by_package.get(package, ()))

    def _with_needed(self, name: str) -> frozenset[str]:
        """A distribution and those that it needs; what only an extra needs counts where it is loaded."""
        known = self._needed.get(name)
        if known is None:
            reached, waiting = set[str](), [name]
            while waiting:
                each = waiting.pop()
                if each in reached or each not in self._installed:
                    continue
                reached.add(each)
                for need in self._installed[each].requires or ():
                    found = _NAME.match(need)
                    if found is not None and ("extra ==" not in need or normalised(found[0]) in self._loaded):
                        waiting.append(normalised(found[0]))
            known = self._needed[name] = frozenset(reached)
        return known
