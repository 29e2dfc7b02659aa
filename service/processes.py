"""Child processes of our own command: started, watched, and stopped with whoever started them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from service.embedded import dying_with_parent
from service.errors import FailedError

POLL_MS = 50
STOP_TIMEOUT_MS = 10_000
HELPER = "fw-"
"""Begins the names that the further processes of a worker have in `ps` and `top`."""

_LINES_SHOWN = 12


class ChildDied(FailedError):
    """A child process ended by itself; the text has its last log lines."""


class NotInTime(FailedError):
    """What was waited for did not happen in time; the text has the last log lines of every child."""


class Interrupted(Exception):
    """Waiting ended because the stop event was set."""


class Child:
    """One child process with its log file. It is out of reach of the terminal's Ctrl-C: its owner stops it in order."""

    def __init__(self, name: str, command: list[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start it. It is killed with us (Linux), even if we are killed, so start it in the main thread. `env` None: it
        has our variables.
        """
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                dying_with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=env,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def cpu_seconds(self) -> float | None:
        """Processor time used so far by all its threads; None where there is no /proc or it has ended."""
        return _cpu_seconds(self.pid)

    def helpers(self) -> dict[str, int]:
        """The names and ids of the processes that a worker started itself; none where there is no /proc or it has
        ended. What Python starts beside one that it spawns is no such.
        """
        found: dict[str, int] = {}
        with suppress(OSError):
            for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("utf-8").split():
                name = Path(f"/proc/{pid}/comm").read_text("utf-8").strip()
                if name.startswith(HELPER):
                    found[name.removeprefix(HELPER)] = int(pid)
        return found

    def cpu_seconds_by_process(self, own: str) -> dict[str, float]:
        """The same by process, as far as it can be told: `own` is the name for this one, the others are its helpers."""
        seconds = {name: _cpu_seconds(pid) for name, pid in {own: self.pid, **self.helpers()}.items()}
        return {name: used for name, used in seconds.items() if used is not None}

    def log_text(self) -> str:
        """All it wrote."""
        return self._log.read_text("utf-8", errors="replace")

    def log_tail(self) -> str:
        """Its last log lines, indented."""
        lines = self.log_text().splitlines()[-_LINES_SHOWN:]
        return "\n".join(f"  {self.name}: {line}" for line in lines) or f"  {self.name}: wrote nothing"

    def wait(self, timeout_ms: int) -> int | None:
        """Give it so long to end by itself; returns how it did, None if it runs on."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_ms / 1000)
        return self.exit_code

    def terminate(self) -> None:
        """Ask it to end, and do not wait."""
        self._process.terminate()

    def stop(self, timeout_ms: int = STOP_TIMEOUT_MS) -> None:
        """End it tidily, by force when it is not gone in time; do nothing when it has ended."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_ms / 1000)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _cpu_seconds(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


class Processes:
    """The children of one command as a context manager: whatever ends it, the newest child is stopped first."""

    def __init__(self, log_dir: Path, stopping: threading.Event | None = None) -> None:
        """`stopping`: when it is set, every wait ends with Interrupted."""
        self._log_dir = log_dir
        self._stopping = stopping or threading.Event()
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            child.stop()

    def start(self, name: str, *arguments: str) -> Child:
        """Start `floorwalker ARGUMENTS`."""
        return self.start_module(name, "service.main", *arguments)

    def start_module(self, name: str, module: str, *arguments: str) -> Child:
        """Start `python -m MODULE ARGUMENTS`."""
        child = Child(name, [sys.executable, "-m", module, *arguments], self._log_dir / f"{name}.log")
        self._children.append(child)
        return child

    def finish(self, child: Child, timeout_ms: int) -> None:
        """Wait until a child that ends by itself has done so, well. Raises ChildDied, NotInTime."""
        deadline = time.monotonic() + timeout_ms / 1000
        while child.exit_code is None:
            if self._stopping.wait(POLL_MS / 1000):
                raise Interrupted
            if time.monotonic() > deadline:
                raise NotInTime(f"{child.name} has not ended after {timeout_ms // 1000} s:\n{child.log_tail()}")
        if child.exit_code:
            self.check()
        self._children.remove(child)

    def stop(self, child: Child) -> None:
        """Stop one child before the others."""
        child.stop()
        self._children.remove(child)

    def check(self) -> None:
        """Raise ChildDied if a child has ended by itself."""
        for child in self._children:
            if child.exit_code is not None:
                raise ChildDied(f"the {child.name} process ended with code {child.exit_code}:\n{child.log_tail()}")

    def pause(self, seconds: float) -> None:
        """Let time pass, and see to it that all children still run. Raises ChildDied, Interrupted."""
        if self._stopping.wait(seconds):
            raise Interrupted
        self.check()

    def wait_until(self, condition: Callable[[], bool], timeout_ms: int, what: str) -> None:
        """Return once `condition` holds. Raises NotInTime, ChildDied, Interrupted."""
        deadline = time.monotonic() + timeout_ms / 1000
        while not condition():
            self.pause(POLL_MS / 1000)
            if time.monotonic() > deadline:
                logs = "\n".join(child.log_tail() for child in self._children)
                raise NotInTime(f"{what} took longer than {timeout_ms // 1000} s:\n{logs}")
