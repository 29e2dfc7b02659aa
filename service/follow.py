"""The lines of a file that is still being written, as they are completed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

POLL_S: Final = 0.2
"""How often a quiet file is looked at; nothing in the standard library says when a file grows."""


def follow_lines(path: Path) -> Iterator[bytes]:
    """Yield every whole line, from the first on, and never end.

    A file that was replaced or emptied is read from its start. Raises OSError if the file cannot be opened.
    """
    while True:
        with path.open("rb") as file:
            yield from _until_replaced(path, file)


def _until_replaced(path: Path, file: BinaryIO) -> Iterator[bytes]:
    begun = b""
    while True:
        begun += file.readline()
        if begun.endswith(b"\n"):
            yield begun
            begun = b""
        elif _replaced(path, file):
            if begun:
                yield begun
            return
        else:
            time.sleep(POLL_S)


def _replaced(path: Path, file: BinaryIO) -> bool:
    """True if the name now belongs to another file, or the file is shorter than what was read of it."""
    try:
        now = path.stat()
    except FileNotFoundError:  # between the two steps of a rotation
        return False
    opened = os.fstat(file.fileno())
    return (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino) or now.st_size < file.tell()
