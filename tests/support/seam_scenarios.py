"""What the seams must survive, the same on every broker; the broker's own test files call these."""

from __future__ import annotations

import asyncio
import random
import re
import signal

import msgspec
from aiokafka import AIOKafkaProducer

from streams.intruder import GENERATION_HEADER
from tests.support.apache_kafka import KafkaProcess
from tests.support.toy_run import Counts, Tail, ToyRun, differences, home, wait_for

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
            await tail.catch_up()
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


async def deaths_at_writes(run: ToyRun, *, total: int, deaths: int) -> Counts:
    """Work off a backlog with workers that are killed right before or right after a changelog write, then one more."""
    await run.produce(total)
    for number in range(deaths):
        worker = run.start_worker(die_at_write=4 + number, die_after_it=bool(number % 2))
        code = await asyncio.to_thread(worker.wait, 60)
        run.workers.remove(worker)
        assert code == -signal.SIGKILL, run.logs()
    run.start_worker()
    return await run.until_done()


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
            code = await asyncio.to_thread(run.stop_worker, worker, signal.SIGTERM)
            await tail.catch_up()
            assert code == 0, f"exit code {code}\n{run.logs()}"
    await producing
    worker = run.start_worker()
    await run.until_ready()
    found = await run.until_done()
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


async def broker_pause(run: ToyRun, kafka: KafkaProcess, *, total: int, per_second: float, seconds: float) -> Counts:
    """Freeze the broker for a while, so that leases run out but sessions do not; the worker must live through it."""
    worker = run.start_worker()
    producing = asyncio.create_task(run.produce(total, per_second=per_second))
    async with Tail(run) as tail:
        await _until_it_moves(tail)
        kafka.nodes[0].freeze()
        await asyncio.sleep(seconds)
        kafka.nodes[0].thaw()
    await producing
    found = await run.until_done()
    assert worker.poll() is None, run.logs()
    assert "lease" not in run.logs()
    return found


async def intrusions(run: ToyRun, *, total: int) -> int:
    """Write into the worker's changelog as an older generation would, then as a newer one.

    The worker must put the first right; returned is its exit code after the second.
    """
    worker = run.start_worker()
    await run.produce(total)
    await run.until_done()
    spoiled = sorted(run.expected)[:5]
    await _write_as(run, -1, spoiled)
    # more events in every partition make every writer flush, and so notice
    await run.produce(run.partitions * 1000, seed=2)
    async with Tail(run) as tail:

        async def repaired() -> bool:
            await tail.is_done()
            return not differences(run.expected, tail.counts)

        await wait_for(repaired, 30)
        assert_exact(run, tail.counts)
    await _write_as(run, 1_000_000, spoiled)
    await run.produce(run.partitions * 1000, seed=3)
    code = await asyncio.to_thread(worker.wait, 30)
    run.workers.remove(worker)
    return code


async def _write_as(run: ToyRun, generation: int, keys: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=run.bootstrap, acks="all")
    await producer.start()
    try:
        for key in keys:
            await producer.send_and_wait(
                f"{run.prefix}-count",
                key=key,
                value=msgspec.msgpack.encode([1, 1]),
                partition=home(key, run.partitions),
                headers=[(GENERATION_HEADER, str(generation).encode())],
            )
    finally:
        await producer.stop()
