"""Whether the state is complete, and why not."""

from typing import Any

from service.floor_state import FloorState


def why_not_ready(state: FloorState) -> str | None:
    """Why nothing can be served yet; None once the state is complete. Later trouble shows as staleness."""
    if state.feed.refused is not None:
        return state.feed.refused
    if state.feed.caught_up:
        return None
    feed = state.feed
    seconds = feed.seconds_to_go
    time = "" if seconds is None else f", about {seconds} s"
    return feed.problem or f"catching up, {feed.to_go} records to go{time}"


def health(state: FloorState) -> dict[str, Any]:
    """What /readyz says beside ready or not."""
    return {
        "problem": state.feed.problem,
        "lag_records": state.feed.to_go,
        "unreadable_records": state.feed.unreadable,
        "staleness_seconds": state.staleness_seconds,
    }
