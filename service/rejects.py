"""A record that could not become an event, written down with the reason: for `--rejects` and for `cti.dead-letter`."""

from typing import Final

import orjson

from service.adapters import Rejected

RAW_LIMIT: Final = 65_536
"""So many bytes of a rejected record are kept; a 5 MB one would not fit the topic."""


def rejected_json(rejected: Rejected, source: str | None = None) -> bytes:
    """Return one JSON line {line, reason, detail, raw}, with file and source where known.

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
    if source is not None:
        row["source"] = source
    return orjson.dumps(row)
