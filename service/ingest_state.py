"""How far an ingest came, kept in a small file so that an interrupted one continues where it stopped."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from service.errors import FailedError, UsageError

HEAD_BYTES: Final = 65_536
"""So much of a file's beginning tells whether it is still the same file."""


class FileMark(msgspec.Struct, frozen=True):
    """A file as it was: its size in bytes and a hash of its beginning."""

    size: int
    head: str


class IngestState(msgspec.Struct):
    """What was asked for, the files as they were, how many records the broker has, and the shift of times."""

    asked: dict[str, str | None]
    files: dict[str, FileMark]
    acknowledged: int = 0
    shift_ms: int = 0


def default_state_file(data_dir: Path, paths: Sequence[Path], topic: str, bootstrap: str) -> Path:
    """Return where the progress of these files into that topic of that broker is kept."""
    what = "\n".join([*(str(path.resolve()) for path in paths), topic, bootstrap])
    return data_dir / "ingest" / f"{hashlib.blake2b(what.encode(), digest_size=8).hexdigest()}.json"


def mark_files(paths: Sequence[Path]) -> dict[str, FileMark]:
    """Return how the files are now. Raises OSError."""
    return {str(path.resolve()): FileMark(path.stat().st_size, _head(path, HEAD_BYTES)) for path in paths}


def _head(path: Path, length: int) -> str:
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(length), digest_size=16).hexdigest()


class StateFile:
    """Loads, saves and removes the state; `path` None (standard input): nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def load(self, asked: dict[str, str | None], files: dict[str, FileMark], *, growing: bool) -> IngestState | None:
        """Return the state of an interrupted ingest of the same; None if there is none or something is different now.

        `growing`: the files may have become longer since. Raises UsageError for a file that is no such state.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=IngestState)
        except msgspec.DecodeError:
            raise UsageError(f"{self.path} is not the state of an ingest: remove it or name another --state") from None
        except OSError as error:
            raise UsageError(f"{self.path}: the state of the ingest cannot be read: {error.strerror}") from None
        same = state.asked == asked and state.files.keys() == files.keys()
        return (
            state if same and all(_unchanged(p, mark, files[p], growing) for p, mark in state.files.items()) else None
        )

    def save(self, state: IngestState) -> None:
        """Write the state so that a crash leaves the old or the new one. Raises FailedError."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_name(self.path.name + ".new")
            new.write_bytes(msgspec.json.encode(state))
            new.replace(self.path)
        except OSError as error:
            raise FailedError(
                f"{self.path}: the progress cannot be saved ({error.strerror}): name another --state"
            ) from None

    def remove(self) -> None:
        """Forget the state: everything was sent."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _unchanged(path: str, before: FileMark, now: FileMark, growing: bool) -> bool:
    if not growing:
        return before == now
    return now.size >= before.size and _head(Path(path), min(before.size, HEAD_BYTES)) == before.head
