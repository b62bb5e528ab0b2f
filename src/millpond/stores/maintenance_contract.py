"""Inspecting a store from outside of a server, dropping entries from it, and invalidating in it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from millpond.policy.entry import Entry
    from millpond.policy.tags import TagRow

    Unwanted: TypeAlias = Callable[[str, Entry | None, Callable[[str], TagRow | None]], bool]
    """Whether an entry is to go: by its digest, the entry (None: its frame can't be read), and the rows of tags."""


class ListedEntry(NamedTuple):
    """One entry, with what the store knows of it."""

    entry: Entry | None
    """None: the frame is damaged, or of another version; it is a miss for everybody."""
    digest: str
    """Names the entry also where its key can't be read; hexadecimal."""
    size: int
    """What it counts against the byte limit."""
    generation: int
    hits: int
    """Approximate: processes write down what they read once a second."""
    use: int
    """The larger, the later it was used."""


class StoreStats(Protocol):
    """Statistics of a store: the ones that all stores have, and those of the engine."""

    @property
    def entries(self) -> int: ...

    @property
    def bytes(self) -> int:
        """What all entries count against the byte limit."""
        ...

    def _asdict(self) -> dict[str, Any]:
        """All of them, by name."""
        ...


class OpenedStore(Protocol):
    """A store that is there, held open from outside of a server; a context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


class StoreInspection(OpenedStore, Protocol):
    """A store that is open for reading."""

    @abstractmethod
    def row(self, tag: str) -> TagRow | None:
        """The row of a tag, as the store's users see it."""

    @abstractmethod
    def entries(self) -> Iterator[ListedEntry]:
        """Every entry that is there now, those that can't be read included."""

    @abstractmethod
    def found(self, digests: Sequence[str]) -> Iterator[ListedEntry]:
        """The entries with these digests, in this order; those that aren't there any more are left out."""

    @abstractmethod
    def listed(self, after: str = "", tag: str = "") -> Iterator[ListedEntry]:
        """The entries by their digests, one by one.

        Args:
            after: only those behind this digest, or behind the beginning of one.
            tag: may leave out entries that haven't got this tag, where the store can tell without reading them.
        """

    @abstractmethod
    def named(self, key: str, build: str) -> ListedEntry | None:
        """The entry of a key, as the servers of a build see it: its own, or one that builds share."""

    @abstractmethod
    def rows(self) -> list[tuple[str, TagRow]]:
        """Every invalidated tag with its row, except for rows that were pruned."""

    @abstractmethod
    def stats(self) -> StoreStats:
        """The store in numbers, at one moment."""


class StoreMaintenance(OpenedStore, Protocol):
    """A store that is open for dropping entries."""

    @abstractmethod
    def builds(self) -> set[str]:
        """The ids of the builds that servers use it for now, as far as the store knows."""

    @abstractmethod
    def drop(self, unwanted: Unwanted) -> int:
        """Drop the entries that are unwanted; returns how many.

        One that was rendered anew meanwhile stays.
        """


class StoreInvalidation(OpenedStore, Protocol):
    """A store that is open for invalidating: one call from a script or a worker, which serves nobody.

    It is opened for the call, so it is never shared by threads, event loops or forked processes.
    """

    @abstractmethod
    def generation(self) -> int:
        """The counter, as `Store.generation`."""

    @abstractmethod
    def invalidate(self, tags: Iterable[str], *, expire_after: float | None = 0) -> int:
        """As `Store.invalidate`: it holds in every process that shares the store when it returns."""
