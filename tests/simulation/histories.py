"""One history from a seed: processes take turns, die and begin anew, until all is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from memos_gov.errors import CorruptionError
from tests.simulation.oracle import BrokenPromiseError, check
from tests.simulation.processes import (
    KINDS,
    RARE,
    Client,
    Order,
    Process,
    certifier,
    destroyer_of,
    keeper,
    neighbour,
    writer,
)
from tests.simulation.world import TENANTS, World

ORDERS_MAX, TURNS_MAX, SETTLING_MAX = 14, 220, 4_000
KILLED, RESTORED, CUT = 0.02, 0.006, 0.002


def run(seed: int) -> Counter[str]:
    """
    Run a history and check it; return what happened in it.

    Raises:
        BrokenPromiseError: A promise does not hold; the seed gives it again.
    """
    world = World(seed)
    clients = [_client(world) for _ in range(2)]
    makers: list[Callable[[], Process]] = [
        *(lambda client=client: writer(world, client) for client in clients),  # type: ignore[misc]
        lambda: certifier(world),
        lambda: certifier(world),
        lambda: keeper(world),
        lambda: neighbour(world),
    ]
    house = _House(world, makers)
    try:
        house.live()
        house.settle()
    except CorruptionError as error:
        if not world.noticed:
            msg = f"promise 6: a sound log was refused ({error})"
            raise BrokenPromiseError(msg) from error
        world.happened["lost end noticed"] += 1
        return world.happened
    if world.noticed:
        msg = "promise 6: the log lost decided records and nobody noticed"
        raise BrokenPromiseError(msg)
    check(world)
    for outcome in world.tables.state.outcomes.values():
        world.happened[f"outcome {outcome.code}"] += 1
        world.happened["read struck"] += bool(outcome.detail.get("struck"))
    return world.happened


def _client(world: World) -> Client:
    chance = world.chance
    orders = [
        Order(
            tenant=chance.choice(TENANTS),
            kind=chance.choice(KINDS if chance.random() < 0.7 else RARE),
            command_id=world.an_id(),
        )
        for _ in range(chance.randint(3, ORDERS_MAX))
    ]
    return Client(orders)


class _House:
    """The processes that run, and what befalls them."""

    def __init__(self, world: World, makers: list[Callable[[], Process]]) -> None:
        self._world = world
        self._makers = makers
        self._running = [make() for make in makers]
        self._backup = world.vault.copy()

    def live(self) -> None:
        """Let processes take turns, with everything that can go wrong."""
        world, chance = self._world, self._world.chance
        for _ in range(TURNS_MAX):
            world.turn()
            self._step(chance.randrange(len(self._makers)))
            if chance.random() < KILLED:
                self._kill(chance.randrange(len(self._makers)))
            if chance.random() < 0.02:
                self._backup = world.vault.copy()
            if chance.random() < RESTORED:
                self._restore()
            if chance.random() < CUT:
                self._cut()

    def settle(self) -> None:
        """Go on, with nothing more going wrong, until everybody has caught up."""
        world = self._world
        world.log.under_way.clear()
        for turn in range(SETTLING_MAX):
            if self._is_settled():
                break
            self._step(2 + turn % 3)
        destroyer_of(world).settle()

    def _is_settled(self) -> bool:
        world, end = self._world, len(self._world.log.records)
        decided = world.tables.state.checkpoint.next_offset
        return decided == end and world.index.position == end - 1

    def _step(self, place: int) -> None:
        try:
            next(self._running[place])
        except StopIteration:
            self._running[place] = self._makers[place]()

    def _kill(self, place: int) -> None:
        """End a process between two of its steps; the next begins anew."""
        self._running[place] = self._makers[place]()
        self._world.happened["killed"] += 1

    def _restore(self) -> None:
        """Put an older vault back, if no key is younger; nothing is served before it destroyed."""
        world, (keys, at) = self._world, self._backup
        if not world.vault.keys <= keys:
            return
        world.vault.keys, world.vault.at = set(keys), at
        destroyer_of(world).catch_up()
        self._running = [make() for make in self._makers]
        world.happened["older vault"] += 1

    def _cut(self) -> None:
        """Take the log's end away, with every process; what was decided must be missed."""
        world = self._world
        end = len(world.log.records)
        kept = world.chance.randint(max(1 + len(TENANTS), end - 3), end)
        world.noticed = kept < world.tables.state.checkpoint.next_offset
        if kept < world.vault.at.next_offset:
            world.noticed = True
        del world.log.records[kept:]
        world.index.position = min(world.index.position, kept - 1)
        self._running = [make() for make in self._makers]
        world.happened["log cut"] += 1
        if world.noticed:
            self.settle()
