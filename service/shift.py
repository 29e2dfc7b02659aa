"""Moves events in time, so that a recording of last year can be replayed as if it were now."""

from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)
_MOMENTS = frozenset({"since_ms", "from_ms", "to_ms", "start_ms", "end_ms"})


def shifted(struct: S, by_ms: int) -> S:
    """Return the event with every moment in it moved by `by_ms`; durations stay as they are."""
    changes: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, int) and (name.endswith("_at_ms") or name in _MOMENTS):
            changes[name] = value + by_ms
        elif isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
            changes[name] = [shifted(item, by_ms) for item in value]
    return msgspec.structs.replace(struct, **changes)


def shift_to_now_ms(first_ms: int, last_ms: int, now_ms: int, speed: float | None) -> int:
    """Return the shift that makes a replay end in the present.

    At the given speed (event seconds a second; None: at once) the last event is sent at its own time. A replay slower
    than the clock begins in the present instead, since events of the future would be wrong.
    """
    if speed is None:
        return now_ms - last_ms
    span_ms = last_ms - first_ms
    return now_ms - first_ms + min(0, round(span_ms / speed) - span_ms)
