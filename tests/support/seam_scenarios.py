"""What the seams must survive, the same on every broker; the broker's own test files call these."""

from __future__ import annotations

import asyncio
import random
import re
import signal

from tests.support.toy_run import Counts, Tail, ToyRun, differences, wait_for

KILL_PAUSE_S = (0.3, 2.5)


async def kills_joins_and_leaves(run: ToyRun, *, total: int, per_second: float, kills: int, seed: int) -> Counts:
    """Produce at a rate while workers are killed, join and leave; return what the changelog says in the end."""
    rng = random.Random(seed)
    producing = asyncio.create_task(run.produce(total, per_second=per_second))
    worker = run.start_worker()
    async with Tail(run) as tail:
        await _until_it_moves(tail)
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(*KILL_PAUSE_S))
            run.stop_worker(worker, signal.SIGKILL)
            worker = run.start_worker()
            await _until_it_moves(tail)
        second = run.start_worker()
        await asyncio.sleep(6)  # its join and the recovery of what it takes over happen somewhere in here
        await asyncio.to_thread(run.stop_worker, worker, signal.SIGTERM)
        await _until_it_moves(tail)
        third = run.start_worker()
        await asyncio.sleep(6)
        run.stop_worker(second, signal.SIGKILL)
        await producing
        found = await run.until_done()
        assert await asyncio.to_thread(run.stop_worker, third, signal.SIGTERM) == 0
    return found


async def freeze(run: ToyRun, *, total: int, per_second: float, seconds: float) -> tuple[Counts, int]:
    """Freeze the only worker past its session while another takes over; return the counts and its exit code."""
    producing = asyncio.create_task(run.produce(total, per_second=per_second))
    frozen = run.start_worker()
    async with Tail(run) as tail:
        await _until_it_moves(tail)
        await asyncio.sleep(1)
        frozen.send_signal(signal.SIGSTOP)
        run.start_worker()
        await asyncio.sleep(seconds)
        frozen.send_signal(signal.SIGCONT)
        code = await asyncio.to_thread(frozen.wait, 30)
        run.workers.remove(frozen)
        await producing
        return await run.until_done(), code


async def clean_restarts(run: ToyRun, *, total: int, per_second: float, restarts: int) -> tuple[Counts, list[int]]:
    """Stop and start a worker in the middle of a stream; return the counts and how often events came twice."""
    producing = asyncio.create_task(run.produce(total, per_second=per_second))
    async with Tail(run) as tail:
        for _ in range(restarts):
            worker = run.start_worker()
            await _until_it_moves(tail)
            await asyncio.sleep(2)
            assert await asyncio.to_thread(run.stop_worker, worker, signal.SIGTERM) == 0, run.logs()
    run.start_worker()
    await producing
    found = await run.until_done()
    worker = run.workers[0]
    assert await asyncio.to_thread(run.stop_worker, worker, signal.SIGTERM) == 0, run.logs()
    return found, [int(number) for number in re.findall(r"read again: (\d+)", run.logs())]


async def _until_it_moves(tail: Tail) -> None:
    before = tail.records

    async def moved() -> bool:
        await tail.is_done()
        return tail.records > before

    assert await wait_for(moved, 45), "no worker wrote to the changelog"


def assert_exact(run: ToyRun, found: Counts) -> None:
    """Every key's count and sum equal the log's."""
    wrong = differences(run.expected, found)
    lost = sum(max(0, want[0] - have[0]) for _, want, have in wrong)
    doubled = sum(max(0, have[0] - want[0]) for _, want, have in wrong)
    assert not wrong, f"{lost} lost, {doubled} doubled in {len(wrong)} keys, first {wrong[:3]}\n{run.logs()}"
