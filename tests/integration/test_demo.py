"""`floorwalker demo` as a user runs it: a process of its own, asked over HTTP, stopped, and nothing left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.ask import Asker
from service.embedded import HOST, EmbeddedBroker, free_port

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("embedded_broker")  # skips where there is none


class Demo:
    """A running demo in a session of its own, as in a terminal of its own."""

    def __init__(self, port: int, temporary: Path, *arguments: str) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.main", "demo", "--port", str(port), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)
                if "Ctrl-C stops everything" in line:
                    self._ready.set()
        self._ready.set()

    def until_ready(self) -> None:
        assert self._ready.wait(60), self.lines
        assert self.process.poll() is None, "".join(self.lines)

    def ask(self, path: str) -> Any:
        with Asker(self.port) as asker:
            return asker.json(path)

    def children(self) -> list[int]:
        """The ids of the demo's child processes, by the kernel's own account."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
            if parent == self.process.pid:
                found.append(int(stat.parent.name))
        return found

    def end(self) -> int:
        code = self.process.wait(40)
        self._reader.join(5)
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos; one that a failed test leaves running is killed, and its children with it."""
    demos: list[Demo] = []

    def start_demo(*arguments: str) -> Demo:
        demos.append(Demo(free_port(), tmp_path, *arguments))
        return demos[-1]

    yield start_demo
    for demo in demos:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def totals(demo: Demo) -> dict[str, tuple[int, float | None]]:
    """(offered, service level) of the last hour by queue."""
    queues = demo.ask("/v1/queues?windows=60m")["items"]
    return {q["id"]: (q["windows"]["60m"]["offered"], q["windows"]["60m"]["service_level_ratio"]) for q in queues}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts processes in /proc")
def test_the_demo_serves_plausible_moving_kpis_and_ctrl_c_leaves_nothing(
    start: Callable[..., Demo], tmp_path: Path
) -> None:
    demo = start()
    demo.until_ready()
    children = demo.children()
    assert len(children) == 4, "broker, worker, API, simulator"
    waiter = threading.Event()
    for _ in range(100):
        first = totals(demo)
        if any(level is not None and 0 < level < 1 for _, level in first.values()):
            break
        waiter.wait(0.1)
    else:
        pytest.fail(f"no queue has a service level between 0 and 1: {first}")
    for _ in range(200):
        if totals(demo) != first:
            break
        waiter.wait(0.1)
    else:
        pytest.fail(f"nothing moves: {first}")
    with Asker(demo.port) as asker:
        for path in ("/", "/docs", "/metrics"):
            assert asker.get(path)[0] == 200, path
    os.killpg(demo.process.pid, signal.SIGINT)  # as the terminal does: to everybody in the foreground
    assert demo.end() == 0, "".join(demo.lines)
    assert all(gone(pid) for pid in children)
    assert free(demo.port)
    assert not list(tmp_path.iterdir())
    assert not any("Traceback" in line for line in demo.lines)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_a_killed_demo_takes_its_children_along(start: Callable[..., Demo]) -> None:
    demo = start("--seconds", "60")
    demo.until_ready()
    children = demo.children()
    demo.process.kill()
    demo.process.wait()
    waiter = threading.Event()
    for _ in range(100):
        if all(gone(pid) for pid in children):
            break
        waiter.wait(0.1)
    assert [pid for pid in children if not gone(pid)] == []


def test_a_demo_for_some_seconds_ends_by_itself(start: Callable[..., Demo]) -> None:
    demo = start("--seconds", "1")
    assert demo.end() == 0, "".join(demo.lines)
    assert any("first KPI after" in line for line in demo.lines)
    assert free(demo.port)


def test_sigterm_during_the_start_ends_it_at_once_and_well(start: Callable[..., Demo]) -> None:
    demo = start()
    assert demo.process.stdout is not None
    waiter = threading.Event()
    for _ in range(200):
        if len(demo.children()) >= 2:
            break
        waiter.wait(0.05)
    demo.process.terminate()
    assert demo.end() == 0, "".join(demo.lines)
    assert free(demo.port)


def test_a_taken_port_is_one_sentence_before_anything_starts(embedded_broker: EmbeddedBroker) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.main", "demo", "--port", str(embedded_broker.port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"floorwalker: port {embedded_broker.port} of 127.0.0.1 cannot be used: Address already in use; "
        "choose another with --port"
    )
