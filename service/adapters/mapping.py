"""The column mapping of a call-records source: `sources.<name>.mapping` in the configuration."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.domain.errors import REASONS
from service.domain.events import Channel

Outcome = Literal["answered", "abandoned", "flowed_out", "callback_requested", "cancelled", "refused"]
Column = Annotated[str, Field(min_length=1)]


def _pattern(pattern: str) -> str:
    """Check a strptime pattern by writing and reading a time with it."""
    if pattern == "iso":
        return pattern
    try:
        if "%" not in pattern:
            raise ValueError("no directive")
        sample = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 - only its text matters
        datetime.strptime(sample.strftime(pattern), pattern)  # noqa: DTZ007
    except ValueError:
        raise ValueError(f"{pattern!r} is not a time pattern: use iso, or such as %Y-%m-%d %H:%M:%S") from None
    return pattern


def _reason(word: str) -> str:
    """Check a reason for rejecting rows: it becomes a counter's label."""
    if not word.replace("_", "").isalnum() or not word.isascii() or word in REASONS:
        raise ValueError(f"{word!r} is not a usable reason: take a word of your own such as phantom")
    return word


Pattern = Annotated[str, AfterValidator(_pattern)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DateColumn(_Strict):
    """Where times are of day only: the column of the date, its pattern, and the time column whose date it is."""

    column: Column
    format: Pattern
    clock: Column


class ColumnRule(_Strict):
    """How one column's text is understood.

    `none`: texts that mean nothing is there; with `paired_duration` only where that column says 0. `values` renames,
    `skip` leaves rows with that text out, `reject` rejects them with a reason.
    """

    none: list[str] = []
    paired_duration: Column | None = None
    values: dict[str, str] = {}
    skip: list[str] = []
    reject: dict[str, Annotated[str, AfterValidator(_reason)]] = {}


class CallRecordsMapping(_Strict):
    """Which columns mean what: one row is one contact with one visit. Every name is a column's, except where said.

    `header`: the names, for files and topics without a heading line. `none`: texts that mean nothing in any column.
    `skip`: conditions, each {column: text, or null for nothing}; a row that fulfils one is left out. `contact`: joined
    to the contact's id; empty: a hash of the row. `queue_id`: one fixed queue instead of a column. `enqueue`,
    `agent_end`: the first that is there counts. `wait` and `talk` are stated durations in `duration_unit` and win over
    differences of times.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    header: list[Column] | None = None
    none: list[str] = [""]
    columns: dict[str, ColumnRule] = {}
    skip: list[dict[str, str | None]] = []
    contact: list[Column] = []
    queue: Column | None = None
    queue_id: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    channel: Channel = "voice"
    agent: Column | None = None
    customer_ref: Column | None = None
    customer_class: Column | None = None
    priority: Column | None = None
    outcome: Column | None = None
    time_format: Pattern = "iso"
    date: DateColumn | None = None
    enqueue: Annotated[list[Column], Field(min_length=1)]
    answered: Column | None = None
    transfer: Column | None = None
    hangup: Column | None = None
    agent_end: list[Column] = []
    wait: Column | None = None
    talk: Column | None = None
    duration_unit: Literal["s", "ms"] = "s"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.queue is None) == (self.queue_id is None):
            raise ValueError("give either queue (a column) or queue_id (one fixed queue)")
        if self.answered is None and self.outcome is None:
            raise ValueError("give outcome or answered: without either no row could be told answered")
        if self.answered is None and self.wait is None:
            raise ValueError("give answered or wait: without either nobody knows when a call was answered")
        if self.date is not None and self.time_format == "iso":
            raise ValueError("with a date column, time_format must be the pattern of a time of day such as %H:%M:%S")
        if any(not condition for condition in self.skip):
            raise ValueError("a condition of skip must name at least one column")
        return self

    def agent_ends(self) -> list[str]:
        """Columns of the agent's end, best first: transfer, else hang-up, unless `agent_end` says otherwise."""
        return self.agent_end or [name for name in (self.transfer, self.hangup) if name]

    def used_columns(self) -> set[str]:
        """Every column that this mapping reads."""
        return set(self._names())

    def _names(self) -> Iterator[str]:
        singles = (
            self.queue, self.agent, self.customer_ref, self.customer_class, self.priority, self.outcome, self.answered,
            self.transfer, self.hangup, self.wait, self.talk,
        )  # fmt: skip
        yield from (name for name in singles if name)
        yield from (*self.contact, *self.enqueue, *self.agent_end, *self.columns)
        yield from (rule.paired_duration for rule in self.columns.values() if rule.paired_duration)
        yield from (name for condition in self.skip for name in condition)
        if self.date:
            yield from (self.date.column, self.date.clock)
