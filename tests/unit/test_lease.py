"""When a worker may write: never after the group could have given its partitions away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from streams.consumer_thread import feed_lease
from streams.lease import Lease

SESSION_S = 10.0  # so the lease lasts 6 s after the heartbeat was sent


class World:
    """A lease with a clock that is set by hand, in a group that has just been joined at time 0."""

    def __init__(self) -> None:
        self.time = 0.0
        self.lost: list[str] = []
        self.lease = Lease(SESSION_S, SESSION_S, now=lambda: self.time, on_lost=self.lost.append)

    async def may_write(self) -> bool:
        """Whether `valid` returns at once, and not because the process would have ended."""
        waiting = asyncio.ensure_future(self.lease.valid())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        done = waiting.done()
        waiting.cancel()
        return done and not self.lost


def joined(world: World) -> None:
    world.lease.rebalance_started()
    world.lease.rebalance_ready()
    world.lease.rebalance_ended()


def renewed_then_late(world: World) -> None:
    joined(world)
    world.lease.renew(0.0)
    world.time = 6.1


def renewed_again(world: World) -> None:
    renewed_then_late(world)
    world.lease.renew(6.05)


def answered_late(world: World) -> None:
    joined(world)
    world.time = 9.0  # frozen between sending the heartbeat and reading its answer
    world.lease.renew(0.0)


def fresh(world: World) -> None:
    joined(world)
    world.lease.renew(0.0)
    world.time = 5.9


def slow_in_a_rebalance(world: World) -> None:
    fresh(world)
    world.time = 0.0
    world.lease.rebalance_started()
    world.time = 6.1
    world.lease.renew(6.0)


def heartbeat_while_joining(world: World) -> None:
    fresh(world)
    world.lease.rebalance_started()
    world.lease.rebalance_ready()
    world.lease.renew(world.time)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(lambda world: None, False, id="before it joined"),
        pytest.param(joined, False, id="assigned, but no heartbeat of this generation answered"),
        pytest.param(fresh, True, id="heartbeat answered a moment ago"),
        pytest.param(renewed_then_late, False, id="heartbeat too old"),
        pytest.param(renewed_again, True, id="heartbeats answered again, in the same generation"),
        pytest.param(answered_late, False, id="the answer counts from when the heartbeat was sent"),
        pytest.param(slow_in_a_rebalance, False, id="heartbeats answered, but the rebalance will not wait longer"),
        pytest.param(heartbeat_while_joining, False, id="partitions given up, new ones not yet assigned"),
    ],
)
def test_may_write(history: Callable[[World], None], expected: bool) -> None:
    async def scenario() -> None:
        world = World()
        history(world)
        assert await world.may_write() is expected
        assert not world.lost

    asyncio.run(scenario())


def test_a_writer_that_waits_ends_the_process_when_it_has_left_the_group() -> None:
    async def scenario() -> None:
        world = World()
        renewed_then_late(world)
        waiting = asyncio.ensure_future(world.lease.valid())
        await asyncio.sleep(0)
        world.lease.left_group()
        await waiting
        assert len(world.lost) == 1

    asyncio.run(scenario())


def test_a_writer_that_waits_goes_on_when_a_heartbeat_is_answered() -> None:
    async def scenario() -> None:
        world = World()
        renewed_then_late(world)
        waiting = asyncio.ensure_future(world.lease.valid())
        await asyncio.sleep(0)
        world.lease.renew(world.time)
        await waiting
        assert not world.lost

    asyncio.run(scenario())


class Coordinator:
    """Stands where aiokafka's stands, and counts what is sent; its own heartbeats are too far away for these tests."""

    def __init__(self, answer: bool) -> None:
        self._answer = answer
        self.started = 0

    def _start_heartbeat_task(self) -> None:
        self.started += 1

    async def _do_heartbeat(self) -> bool:
        return self._answer

    def reset_generation(self) -> None:
        self._answer = False


@pytest.mark.parametrize("answered", [True, False])
def test_after_an_assignment_a_heartbeat_is_sent_at_once_and_its_answer_lets_us_write(answered: bool) -> None:
    async def scenario() -> None:
        world, coordinator = World(), Coordinator(answered)
        joined(world)
        feed_lease(world.lease, coordinator)
        assert not await world.may_write()
        coordinator._start_heartbeat_task()
        assert coordinator.started == 1
        assert await world.may_write() is answered

    asyncio.run(scenario())


def test_who_has_left_the_group_by_its_coordinators_account_may_not_write() -> None:
    async def scenario() -> None:
        world, coordinator = World(), Coordinator(True)
        joined(world)
        feed_lease(world.lease, coordinator)
        coordinator.reset_generation()
        assert not await world.may_write()
        assert len(world.lost) == 1

    asyncio.run(scenario())
