"""Business hours as people write them: `week: {mon-fri: "08:00-18:00", sat: "09:00-12:00, 13:00-15:00"}`."""

import re
from datetime import date
from typing import Final

from pydantic import field_validator

from service.config_section import Section
from service.domain.business_hours import DAY_MINUTES, BusinessHours, Opening

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSED: Final = "closed"
_OPENING = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")


class BusinessHoursConfig(Section):
    """When a place is open: by day of the week, and on single dates. What is not named is closed.

    Times are local to the site; an opening over midnight is written as two.
    """

    week: dict[str, str]
    holidays: dict[str, str] = {}

    @field_validator("week")
    @classmethod
    def _week(cls, week: dict[str, str]) -> dict[str, str]:
        if not any(parse_week(week)):
            raise ValueError('no day has an opening: write at least one, such as `mon-fri: "08:00-18:00"`')
        return week

    @field_validator("holidays")
    @classmethod
    def _holidays(cls, holidays: dict[str, str]) -> dict[str, str]:
        parse_holidays(holidays)
        return holidays

    def hours(self, timezone: str) -> BusinessHours:
        """Return them as the domain wants them, in an IANA zone."""
        return BusinessHours(timezone, parse_week(self.week), parse_holidays(self.holidays))


def parse_week(week: dict[str, str]) -> list[list[Opening]]:
    """Return the openings of Monday to Sunday. Raises ValueError with a sentence for the user."""
    found: dict[int, list[Opening]] = {}
    for days, text in week.items():
        openings = parse_openings(text)
        for day in parse_days(days):
            if day in found:
                raise ValueError(f"{DAYS[day]} is written twice: once is enough")
            found[day] = openings
    return [found.get(day, []) for day in range(len(DAYS))]


def parse_days(text: str) -> list[int]:
    """Return the days of `mon` or `mon-fri`, Monday being 0. Raises ValueError."""
    first, dash, last = text.partition("-")
    last = last if dash else first
    if first not in DAYS or last not in DAYS:
        raise ValueError(f"{text!r} is no day: use {', '.join(DAYS)}, or a range such as mon-fri")
    start, end = DAYS.index(first), DAYS.index(last)
    return [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]


def parse_openings(text: str) -> list[Opening]:
    """Return the openings of one day: `closed`, or `08:00-12:00, 13:00-17:00`. Raises ValueError."""
    if text == CLOSED:
        return []
    openings: list[Opening] = []
    for part in text.split(","):
        found = _OPENING.fullmatch(part.strip())
        if found is None:
            raise ValueError(
                f'{part.strip()!r} is no opening: use "HH:MM-HH:MM" up to "24:00", several with commas, or {CLOSED}'
            )
        start = int(found[1]) * 60 + int(found[2])
        end = DAY_MINUTES if found[3] is None else int(found[3]) * 60 + int(found[4])
        if end <= start:
            raise ValueError(
                f"{part.strip()!r} ends before it begins: write an opening over midnight as two, "
                "up to 24:00 and from 00:00 of the next day"
            )
        if any(start < other_end and other_start < end for other_start, other_end in openings):
            raise ValueError(f"{text!r}: openings overlap")
        openings.append((start, end))
    return openings


def parse_holidays(holidays: dict[str, str]) -> dict[date, list[Opening]]:
    """Return the openings of single dates. Raises ValueError."""
    found = {}
    for day, text in holidays.items():
        try:
            parsed = date.fromisoformat(day) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) else None
        except ValueError:
            parsed = None
        if parsed is None:
            raise ValueError(f"{day!r} is no date: use one such as 2026-12-25")
        found[parsed] = parse_openings(text)
    return found
