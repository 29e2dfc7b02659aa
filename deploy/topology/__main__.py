"""`make topology`: deploy/compose.yaml without containers, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.table import Table

from deploy.topology.run import KAFKA, KAFKA_PORT, Part, Topology
from service.console import console
from service.demo import stopped_by_signals
from service.errors import FailedError, UsageError
from service.processes import Interrupted

LOOK_SECONDS = 0.5


def main() -> int:
    """Run it all; exit code 0 after Ctrl-C, 1 if something failed, 2 if it cannot run here."""
    parser = argparse.ArgumentParser(prog="make topology", description=__doc__)
    parser.add_argument("--seconds", type=float, help="stop after so long (default: at Ctrl-C)")
    seconds = parser.parse_args().seconds
    stopping = threading.Event()
    try:
        with stopped_by_signals(stopping), tempfile.TemporaryDirectory(prefix="floorwalker-topology-") as folder:
            _say("starting what deploy/compose.yaml describes")
            with Topology(Path(folder), stopping) as topology:
                _show(topology)
                _tend(topology, seconds)
    except Interrupted:
        pass
    except (FailedError, UsageError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    _say("everything is stopped")
    return 0


def _tend(topology: Topology, seconds: float | None) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        topology.pause(LOOK_SECONDS)
        for line in topology.tend():
            _say(line)


def _show(topology: Topology) -> None:
    table = Table("part", "process", "where", title="deploy/compose.yaml, without containers")
    for part in topology.parts:
        if part.child.exit_code is None:
            table.add_row(part.name, str(part.child.pid), _where(topology, part))
    console().print(table)
    _say(f"the broker is {topology.broker}, at {topology.place.address(KAFKA, KAFKA_PORT)}")
    for name, why in topology.left_out.items():
        _say(f"{name} is left out: {why}")
    _say(f"logs, while it runs: {topology.folder}/logs")
    _say(f"the wallboard asks for a token: {topology.token}")
    _say("a part that ends is started again, as compose would; Ctrl-C stops everything")
    sys.stdout.flush()


def _where(topology: Topology, part: Part) -> str:
    """The address of what the compose file publishes."""
    if part.service.name == KAFKA:
        return topology.place.address(KAFKA, KAFKA_PORT)
    inside = next(iter(part.service.published), None)
    return "" if inside is None else f"http://{topology.place.address(part.service.name, inside, part.replica)}"


def _say(what: str) -> None:
    sys.stderr.write(f"topology: {what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
