"""`floorwalker top` over a real API: once for scripts, and live on a terminal that is resized, left alone and left."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from service.tokens import new_token
from service.topics import create_topics
from tests.integration.api_process import ROOT, ApiProcess
from tests.integration.test_api import PARTITIONS, a_centre, publish

ENTER_SCREEN, LEAVE_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
DEADLINE_SECONDS = 30


def top(*words: str) -> list[str]:
    return [sys.executable, "-m", "service.main", "top", *words]


def once(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(top("--once", *words), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


AS_ON_A_TERMINAL = ("env", "--default-signal=INT")
"""Where tests run in the background of a shell, they and what they start ignore Ctrl-C."""


class Terminal:
    """`floorwalker top` on a terminal of its own."""

    def __init__(self, url: str, rows: int, columns: int) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(rows, columns)
        environment = {key: value for key, value in os.environ.items() if key not in ("LINES", "COLUMNS")}
        self.process = subprocess.Popen(
            [*AS_ON_A_TERMINAL, *top("--url", url, "--interval", "0.5")], cwd=ROOT, start_new_session=True,
            stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        self.text = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, words: str) -> None:
        """Read until the words appear in what comes from now on. Raises AssertionError."""
        new, deadline = "", time.monotonic() + DEADLINE_SECONDS
        while words not in new:
            assert time.monotonic() < deadline, f"{words!r} is not in {new[-3000:]!r}"
            part = self._read(0.2)
            assert part is not None, f"it ended without {words!r}: {self.text[-3000:]}"
            new += part

    def end(self, number: signal.Signals) -> int:
        """Send the signal and read the rest. The exit code."""
        self.process.send_signal(number)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self._read(0.2) is not None:
            assert time.monotonic() < deadline
        return self.process.wait(DEADLINE_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._ours)

    def _read(self, seconds: float) -> str | None:
        """What came in the meantime; None at the end."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return ""
        try:
            part = os.read(self._ours, 65_536).decode(errors="replace")
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that the other side is closed
                raise
            return None
        self.text += part
        return part or None


@pytest.fixture(scope="module")
def floor() -> Iterator[EmbeddedBroker]:
    """A broker with a floor: one queue, one agent, one caller who waits."""
    with EmbeddedBroker() as broker:
        create_topics(broker.bootstrap, PARTITIONS, 1)
        publish(broker, a_centre())
        yield broker


@pytest.fixture
def api(floor: EmbeddedBroker, tmp_path: Path) -> Iterator[ApiProcess]:
    with ApiProcess(floor.bootstrap, tmp_path / "api.log") as running:
        running.until("/readyz")
        yield running


def test_once_prints_every_table_and_ends(api: ApiProcess) -> None:
    done = once("--url", f"http://127.0.0.1:{api.port}")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for words in ("Queues (", "Agents (", "Alerts (", " sales ", " 1001 ", " on_contact "):
        assert words in done.stdout


def test_only_what_is_asked_for_is_shown(api: ApiProcess) -> None:
    done = once("--url", f"http://127.0.0.1:{api.port}", "--show", "queues")
    assert "Queues (" in done.stdout
    assert "Agents (" not in done.stdout


def test_a_token_is_needed_where_the_api_wants_one(floor: EmbeddedBroker, tmp_path: Path) -> None:
    token, line = new_token("viewer", None, [], None, None)
    (tmp_path / "tokens.yaml").write_text(f"{line}\n", "utf-8")
    (tmp_path / "token").write_text(f"{token}\n", "utf-8")
    settings = {"FLOORWALKER_TOKENS": str(tmp_path / "tokens.yaml")}
    with ApiProcess(floor.bootstrap, tmp_path / "api.log", **settings) as api:
        api.until("/readyz")
        url = f"http://127.0.0.1:{api.port}"
        without = once("--url", url)
        assert (without.returncode, without.stdout) == (1, "")
        assert "wants a valid token: give its file with --token-file" in without.stderr
        shown = once("--url", url, "--token-file", str(tmp_path / "token"))
        assert shown.returncode == 0, shown.stderr
        assert " sales " in shown.stdout


def test_it_follows_the_terminal_tells_of_trouble_and_leaves_it_as_it_was(api: ApiProcess) -> None:
    terminal = Terminal(f"http://127.0.0.1:{api.port}", 30, 120)
    try:
        terminal.until(" sales ")
        assert ENTER_SCREEN in terminal.text
        terminal.resize(24, 79)
        terminal.until(f"\r\n{' ' * 79}\r\n")
        api.process.kill()
        terminal.until("STALE, nothing newer for")
        assert terminal.end(signal.SIGINT) == 0
        assert LEAVE_SCREEN in terminal.text
        assert "Traceback" not in terminal.text
    finally:
        terminal.close()


def test_a_signal_to_end_gives_the_terminal_back(api: ApiProcess) -> None:
    terminal = Terminal(f"http://127.0.0.1:{api.port}", 30, 120)
    try:
        terminal.until(" sales ")
        assert terminal.end(signal.SIGTERM) == 0
        assert LEAVE_SCREEN in terminal.text
    finally:
        terminal.close()
