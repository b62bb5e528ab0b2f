"""The long form of the hosts' tests: processes, networks that fail, and a server that goes, while all is checked."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from valkey_process import Host, Seen, generation, is_synced, ready, take_part, truth

from engines import Engine
from proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from other_process import OtherProcess

HOSTS = 4
_PREFIX = "soak"
_QUICK: dict[str, Any] = {"timeout": 0.5, "term": 1.0, "serve_when_down": 5.0}


class Outcome(NamedTuple):
    counts: Counter[str]
    slowest: float
    """Seconds that the slowest invalidation took."""
    violations: list[str]
    faults: Counter[str]


def history(operations: int, seed: int, *, faults: bool) -> Outcome:
    """So many random operations over all hosts, with or without faults meanwhile."""
    done: Counter[str] = Counter()
    with ExitStack() as stack:
        engine = stack.enter_context(Engine())
        networks = [stack.enter_context(Proxy(engine.port, number)) for number in range(HOSTS)]
        upstream = truth()
        hosts = [stack.enter_context(Host(network.url, upstream, prefix=_PREFIX, **_QUICK)) for network in networks]
        for number, network in enumerate(networks):
            network.delay(0, 0.002 * number)
        for host in hosts:
            host.call(ready)
        for number, host in enumerate(hosts):
            host.begin(take_part, operations // HOSTS, 3600.0, seed + number)
        if faults:
            _trouble(engine, networks, hosts, random.Random(seed), done)
        seen: list[Seen] = [host.result(3600) for host in hosts]
    counts = sum((each.counts for each in seen), Counter[str]())
    violations = [violation for each in seen for violation in each.violations]
    return Outcome(counts, max(each.slowest_invalidation for each in seen), violations, done)


def _trouble(
    engine: Engine, networks: list[Proxy], hosts: list[OtherProcess], chosen: random.Random, done: Counter[str]
) -> None:
    """One fault after the other, until all hosts are done."""

    def cut(network: Proxy) -> None:
        network.cut()
        time.sleep(chosen.uniform(0.1, 2.5))
        network.mend()

    def refuse(network: Proxy) -> None:
        network.refuse()
        time.sleep(chosen.uniform(0.1, 1))
        network.mend()

    def freeze(_: Proxy) -> None:
        engine.freeze()
        time.sleep(chosen.uniform(0.1, 1.5))
        engine.thaw()

    def kill(_: Proxy) -> None:
        engine.kill()
        time.sleep(chosen.uniform(0, 0.8))
        engine.start()

    def slow(network: Proxy) -> None:
        network.delay(0, chosen.uniform(0, 0.05))

    kinds: list[Callable[[Proxy], None]] = [cut, refuse, freeze, kill, slow]
    while not all(host.answers(0) for host in hosts):
        kind = chosen.choices(kinds, weights=(30, 20, 15, 10, 25))[0]
        kind(chosen.choice(networks))
        done[kind.__name__] += 1
        time.sleep(chosen.uniform(0.5, 2.5))


def cut_for_long(seconds: float) -> list[str]:
    """Cut one host's network for so long; what of its promises was broken."""
    wrong = []
    with ExitStack() as stack:
        engine = stack.enter_context(Engine())
        networks = [stack.enter_context(Proxy(engine.port, number)) for number in range(2)]
        one, other = (stack.enter_context(Host(network.url, prefix=_PREFIX)) for network in networks)
        one.call(ready)
        other.call(ready)
        networks[1].cut()
        ends = time.monotonic() + seconds
        latest = 0
        while time.monotonic() < ends:
            latest = one.call(_invalidate)
            if other.call(is_synced):
                wrong.append("a host that was cut off was in touch after an invalidation had returned")
        networks[1].mend()
        began = time.monotonic()
        while not other.call(is_synced):
            if time.monotonic() - began > 30:
                return [*wrong, "the host didn't come back within 30 s"]
            time.sleep(0.02)
        if other.call(generation) < latest:
            wrong.append("the host came back without the latest invalidation")
    return wrong


def _invalidate(store: Any) -> int:
    generation: int = store.invalidate(["t"])
    return generation
