"""What /proc says of processes: how much memory one holds, and which is a worker's second one."""

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


def evaluators_of(worker: Child) -> list[int]:
    """The worker's second process, if there is one now; what Python starts beside one that it spawns is no such."""
    lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in worker.helpers()}
    return [pid for pid, line in lines.items() if line.exists() and b"resource_tracker" not in line.read_bytes()]
