"""What /proc says of processes: how much memory one holds."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mib(pid: int | str = "self") -> float:
    """Resident memory of a process in MiB; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
