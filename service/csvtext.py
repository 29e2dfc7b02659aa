"""Values as a cell of a CSV file."""

from typing import Any


def cell(value: Any) -> Any:
    """What stands for the value: nothing for None, and `timeout=3 full=1` for what is split by reason."""
    if isinstance(value, dict):
        return " ".join(f"{reason}={count}" for reason, count in value.items())
    return "" if value is None else value
