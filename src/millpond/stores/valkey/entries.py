"""Entries in a shared server: fetched, committed, seeded and removed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from millpond.policy.freshness import CLOCK_TOLERANCE, age_of
from millpond.policy.tags import generation_at
from millpond.stores.contract import Commit
from millpond.stores.frame import decode_frame, encode_frame
from millpond.stores.store_figures import Eviction, StoreFigures, untold
from millpond.stores.valkey.acks import registered
from millpond.stores.valkey.client import CommandRefused, Unreachable, gathered
from millpond.stores.valkey.layout import VERSION_BYTES, as_bytes
from millpond.stores.valkey.mirror import MirroredEntry
from millpond.stores.valkey.scripts import ANNOUNCE, COMMIT, FETCH, MOMENTS, PUT, REMOVE, WANTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.policy.entry import Entry
    from millpond.policy.freshness import Clock
    from millpond.stores.contract import Lease
    from millpond.stores.store_figures import Evicted
    from millpond.stores.valkey.mirror import Mirror
    from millpond.stores.valkey.session import Session

_READS_PER_COMMIT = 64
_SLACK_SECONDS = 60
"""How long frames stay after they expired."""
_SECONDS_BETWEEN_MEASUREMENTS = 5
_DAY = 24 * 3600
_LONGEST_OF_ANSWERS, _LONGEST = 30 * _DAY, 400 * _DAY
"""Seconds that frames stay at most. Answers go with their build; what a yearly cron did is remembered for a year."""
_TOMBSTONE_SECONDS = 60
"""How long the frame of an entry that was removed refuses an earlier one that is still under way."""
_OFFERED_AT_ONCE, _SEEDED_AT_ONCE = 500, 8


class Entries:
    """Reads and writes entries for one process.

    On one server a commit is one step. In a cluster it is three, as frames are elsewhere than the state: the state
    takes the entry in and gives it a number, the frame is put where no later one is, and the mirrors are told. Who dies
    in between leaves an entry in the index that isn't there, which is a miss.

    Args:
        session: with the server.
        mirror: what this process knows.
        max_bytes: what all entries of the application may count together.
        clock: seconds since the epoch.
        evicted: is told of what had to go.
    """

    def __init__(
        self, session: Session, mirror: Mirror, max_bytes: int, clock: Clock, evicted: Evicted = untold
    ) -> None:
        self._session, self._mirror, self._layout = session, mirror, session.layout
        self._max_bytes, self._clock = max_bytes, clock
        self._together = not session.server.is_cluster
        self._fetching: dict[str, asyncio.Task[Entry | None]] = {}
        self._evicted = evicted
        self.figures: StoreFigures | None = None
        """How full the store was when `measure` asked last."""

    async def fetch(self, key: str) -> Entry | None:
        """The entry as the server has it; concurrent calls for one key share one request.

        Raises:
            Unreachable, CommandRefused: it can't be asked.
        """
        self._session.refuse_when_down()
        name = self._layout.name(key)
        task = self._fetching.get(name)
        if task is None:
            task = self._fetching[name] = asyncio.create_task(self._fetch(key, name))
            task.add_done_callback(lambda done: self._fetched(name, done))
        await asyncio.wait((task,))
        return task.result()

    def _fetched(self, name: str, task: asyncio.Task[Entry | None]) -> None:
        del self._fetching[name]
        if not task.cancelled():
            task.exception()  # whoever asked may have gone away: then it is nobody's

    async def _fetch(self, key: str, name: str) -> Entry | None:
        known, since = self._mirror.local(name), self._mirror.now()
        version = b"" if known is None else b"%0*d" % (VERSION_BYTES, known.version)
        reply = await self._session.server.run(FETCH, (self._layout.frame(name),), (version,))
        if reply == 1 and known is not None:
            return known.entry
        entry = None if reply is None else decode_frame(reply[VERSION_BYTES:])
        # None, or of another layout of frames, damaged, or removed.
        if entry is not None and entry.key == key:
            local = MirroredEntry(entry, len(reply), int(reply[:VERSION_BYTES]))
            if self._mirror.view.covers(local):
                self._mirror.keep(name, local, since)
                return entry
        if self._mirror.local(name) is known:
            self._mirror.forget(name)
        return None

    async def commit(self, entry: Entry, lease: Lease | None) -> Commit:
        """Store an entry; see `Store.commit`.

        Raises:
            Unreachable, CommandRefused: it isn't stored, or isn't known to be.
        """
        reads = {self._layout.name(key): count for key, count in self._mirror.reads.take(_READS_PER_COMMIT).items()}
        return await self._commit(entry, lease, reads)

    async def _commit(
        self, entry: Entry, lease: Lease | None, reads: Mapping[str, int] | None = None, *, seeding: bool = False
    ) -> Commit:
        name, frame, since = self._layout.name(entry.key), encode_frame(entry), self._mirror.now()
        size, lifetime = max(entry.size, len(frame)), self._lifetime(entry)
        token = "" if lease is None else lease.token
        noted = [part for pair in (reads or {}).items() for part in pair]
        asked = (self._session.run_id, "seed" if seeding else "commit", token, name, entry.generation)
        facts = (repr(entry.rendered_at), size, entry.build, self._max_bytes, repr(self._clock()), CLOCK_TOLERANCE)
        place = (lifetime, self._layout.frames, frame if self._together else b"")
        held = name if lease is None else self._layout.name(lease.key)
        keys = [self._layout.lease(held), *([self._layout.frame(name)] if self._together else [])]
        tags = list(map(as_bytes, entry.tags))
        while True:
            outcome, *rest = await self._session.ask(
                COMMIT, *asked, *facts, *place, len(noted), *noted, *tags, keys=keys
            )
            noted = []
            if rest and rest[1]:
                self._evicted([_eviction(life) for life in rest[2]])
                if not self._together:
                    await self._unlink(rest[1])
            if outcome != b"no room":
                break
        if outcome == b"elsewhere":
            self._session.is_in_doubt = True
            return Commit.FAILED
        if outcome != b"stored":
            return Commit(outcome.decode())
        version = rest[0]
        if not self._together:
            await self._put(name, version, frame, lifetime)
        self._mirror.keep(name, MirroredEntry(entry, len(frame), version), since)
        return Commit.STORED

    async def _unlink(self, names: list[bytes]) -> None:
        """Delete the frames of entries that were evicted, where frames are elsewhere."""
        server, layout = self._session.server, self._layout
        await gathered(server.command("UNLINK", layout.frame(name.decode())) for name in names)

    async def _put(self, name: str, version: int, frame: bytes, lifetime: int) -> None:
        """The rest of a commit where frames are elsewhere."""
        await self._session.server.run(PUT, (self._layout.frame(name),), (version, lifetime, frame))
        await self._session.ask(ANNOUNCE, name, version)

    async def seed(self, entries: list[Entry]) -> None:
        """Store what isn't there yet; see `Store.seed`. Every host of a deploy offers the same: one of them uploads it.

        Raises:
            Unreachable, CommandRefused: not all is stored.
        """
        generation, base, moments = await self._session.ask(MOMENTS)
        times = [float(moment) for moment in moments]
        offered = [
            replace(entry, generation=base + generation_at(entry.rendered_at, generation - base, times))
            for entry in entries
        ]
        for start in range(0, len(offered), _OFFERED_AT_ONCE):
            part = offered[start : start + _OFFERED_AT_ONCE]
            facts = ((self._layout.name(one.key), repr(one.rendered_at), one.generation) for one in part)
            wanted = await self._session.ask(WANTED, *(fact for each in facts for fact in each))
            await self._upload([part[number - 1] for number in wanted])

    async def _upload(self, entries: list[Entry]) -> None:
        for start in range(0, len(entries), _SEEDED_AT_ONCE):
            part = entries[start : start + _SEEDED_AT_ONCE]
            await gathered(self._commit(entry, None, seeding=True) for entry in part)

    async def remove(self, key: str) -> tuple[int, dict[bytes, bytes]] | None:
        """Forget an entry; the record that says so, and the mirrors to wait for. None: the state is another by now.

        Raises:
            Unreachable, CommandRefused: it is still there, or may be.
        """
        name = self._layout.name(key)
        keys = [self._layout.frame(name)] if self._together else []
        reply = await self._session.ask(REMOVE, name, keys=keys)
        if reply is None:
            return None
        seq, mirrors, version = reply
        if not self._together:
            tombstone = (version, _TOMBSTONE_SECONDS * 1000, b"")
            await self._session.server.run(PUT, (self._layout.frame(name),), tombstone)
        return seq, registered(mirrors)

    async def keep_measured(self) -> None:
        """Ask again and again how full the store is."""
        while True:
            await self.measure()
            await asyncio.sleep(_SECONDS_BETWEEN_MEASUREMENTS if self.figures else 1)

    async def measure(self) -> None:
        """Ask how full the store is; while the server is down it isn't known."""
        server, layout = self._session.server, self._layout
        try:
            self._session.refuse_when_down()
            size, entries = await gathered(
                (server.command("HGET", layout.state[0], "size"), server.command("HLEN", layout.index))
            )
        except (Unreachable, CommandRefused):
            self.figures = None
            return
        self.figures = StoreFigures(int(size or 0), self._max_bytes, int(entries))

    def _lifetime(self, entry: Entry) -> int:
        """Milliseconds after which the server may drop the frame: nobody is served with it then."""
        longest = float(_LONGEST_OF_ANSWERS if entry.kind == "response" else _LONGEST)
        left = longest if entry.expire is None else entry.expire - age_of(entry, self._clock())
        return int((min(max(left, 0), longest) + _SLACK_SECONDS) * 1000)


def _eviction(life: bytes) -> Eviction:
    rendered_at, hits = life.split(b" ")
    return Eviction(float(rendered_at), was_read=int(hits) > 0)
