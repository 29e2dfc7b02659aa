"""What /proc says of processes: how much memory one holds, and which of a worker's judges the rules."""

from __future__ import annotations

import os
from pathlib import Path

from service.processes import Child


def resident_mib(pid: int | str = "self") -> float:
    """Resident memory of a process in MiB; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def evaluator_of(worker: Child) -> int | None:
    """The process of the worker that judges the alert rules; None while there is none."""
    return worker.helpers().get("evaluator")
