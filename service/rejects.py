"""A record that could not become an event, with the reason: a line of `--rejects`, or headers on `cti.dead-letter`."""

from typing import Final

import orjson

from service.adapters import Rejected
from service.sealing import Sealer

RAW_LIMIT: Final = 65_536
"""So many bytes of a rejected record are written to a file."""

DEAD_LETTER_LIMIT: Final = 1 << 20
"""So many bytes of a rejected record are sent to the topic; more might not fit."""


def dead_letter(rejected: Rejected, source: str, sealer: Sealer) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return value and headers for `cti.dead-letter`: the bytes as they may be kept, and why they were refused."""
    about = {
        "reason": rejected.reason,
        "detail": sealer.text(rejected.detail[:1024]),
        "source": source,
        "file": rejected.path,
        "line": "" if rejected.line_no is None else str(rejected.line_no),
    }
    sealed = sealer.seal(None, rejected.raw[:DEAD_LETTER_LIMIT])
    return sealed.value, [*((name, text.encode()) for name, text in about.items() if text), *sealed.headers]


def rejected_json(rejected: Rejected) -> bytes:
    """Return one JSON line {line, reason, detail, raw}, with the file where known.

    Bytes that are no text are escaped; of a long record only the beginning is kept, with `raw_bytes` for its length.
    """
    row: dict[str, object] = {
        "line": rejected.line_no,
        "reason": rejected.reason,
        "detail": rejected.detail,
        "raw": rejected.raw[:RAW_LIMIT].decode("utf-8", errors="backslashreplace"),
    }
    if rejected.path:
        row["file"] = rejected.path
    if len(rejected.raw) > RAW_LIMIT:
        row["raw_bytes"] = len(rejected.raw)
    return orjson.dumps(row)
