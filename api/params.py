"""Query parameters, checked. Everything here raises Problem(400) that names the parameter and what would be right."""

from collections.abc import Iterable, Sequence

from api.problems import Problem
from service.domain.calendar import Calendar
from service.domain.view import WINDOWS
from service.timetext import DAY_MS, parse_moment_ms


def split_list(text: str | None) -> list[str]:
    """The parts of a comma-separated list; None and "" are empty."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def pick_windows(text: str | None) -> tuple[str, ...]:
    """The windows asked for, in the order of the registry; all of them by default."""
    asked = split_list(text)
    _known("windows", asked, WINDOWS)
    return tuple(window for window in WINDOWS if window in asked) if asked else WINDOWS


def pick_fields(text: str | None, names: Sequence[str]) -> frozenset[str] | None:
    """The KPIs asked for; None means all."""
    asked = split_list(text)
    _known("fields", asked, names)
    return frozenset(asked) or None


def pick_range_ms(
    from_: str | None, to: str | None, calendar: Calendar, now_ms: int, longest_ms: int
) -> tuple[int, int]:
    """[from, to): dates mean business days of the site; by default the current business day."""
    day_ms = calendar.day_bounds_ms(now_ms)
    since_ms = _moment("from", from_, calendar) if from_ else day_ms[0]
    until_ms = _moment("to", to, calendar) if to else max(day_ms[1], since_ms + 1)
    if since_ms >= until_ms:
        raise Problem(400, f"from ({from_}) must be before to ({to})")
    if until_ms - since_ms > longest_ms:
        raise Problem(400, f"from and to are more than {longest_ms // DAY_MS} days apart, which is all that is kept")
    return since_ms, until_ms


def _moment(name: str, text: str, calendar: Calendar) -> int:
    """The time; a `+` that the query string turned into a blank is mended."""
    site = calendar.site
    try:
        return parse_moment_ms(text.strip().replace(" ", "+"), site.timezone, site.day_starts_at_minutes)
    except (ValueError, OverflowError) as error:
        raise Problem(400, f"{name}: {error}") from None


def _known(name: str, asked: Iterable[str], known: Sequence[str]) -> None:
    strange = [value for value in asked if value not in known]
    if strange:
        raise Problem(400, f"{name}: {strange[0]!r} is unknown; there are {', '.join(known)}")
