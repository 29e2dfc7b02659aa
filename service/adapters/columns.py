"""A row's columns as the mapping understands them: nothing, a value, a renamed value, or a reason to leave the row."""

from service.adapters.mapping import CallRecordsMapping, ColumnRule
from service.domain.errors import InvalidEvent
from service.errors import UsageError


class Table:
    """The columns of one file, by the names of its heading."""

    def __init__(self, mapping: CallRecordsMapping, names: list[str]) -> None:
        missing = sorted(mapping.used_columns().difference(names))
        if missing:
            raise UsageError(
                f"there is no column {', '.join(missing)}, which the mapping names: "
                f"the heading is {', '.join(names)[:200]}"
            )
        self.width = len(names)
        self.skip = mapping.skip
        self._columns = {name: _Column(mapping, name, names) for name in mapping.used_columns()}
        self._guards = [name for name, rule in mapping.columns.items() if rule.skip or rule.reject]

    def row(self, fields: list[str]) -> "Row":
        """The row, unless the mapping leaves it out or rejects it. Raises InvalidEvent."""
        if len(fields) != self.width:
            raise InvalidEvent("bad_line", f"{len(fields)} fields, the heading has {self.width}")
        row = Row(self._columns, fields)
        for name in self._guards:
            self._columns[name].guard(name, fields)
        for condition in self.skip:
            if all(row.get(name) == text for name, text in condition.items()):
                raise InvalidEvent("skipped", "by the condition " + ", ".join(condition))
        return row


class Row:
    """One row of a table. `times` keeps what its time columns were found to say."""

    __slots__ = ("_columns", "_fields", "times")

    def __init__(self, columns: dict[str, "_Column"], fields: list[str]) -> None:
        self._columns = columns
        self._fields = fields
        self.times: dict[str, int | None] = {}

    def get(self, name: str) -> str | None:
        """The column's value, renamed if so mapped; None for nothing there, and for the name "" of no column."""
        return self._columns[name].value(self._fields) if name else None


class _Column:
    """Where a column stands and how its text is understood."""

    __slots__ = ("_index", "_none", "_paired", "_rule")

    def __init__(self, mapping: CallRecordsMapping, name: str, names: list[str]) -> None:
        rule = mapping.columns.get(name, ColumnRule())
        self._index = names.index(name)
        self._rule = rule if rule.values or rule.skip or rule.reject else None
        self._none = frozenset([*mapping.none, *rule.none])
        paired = rule.paired_duration
        self._paired = (names.index(paired), frozenset(rule.none) - frozenset(mapping.none)) if paired else None

    def value(self, fields: list[str]) -> str | None:
        text = fields[self._index].strip()
        if text in self._none and not self._is_time_after_all(text, fields):
            return None
        return self._rule.values.get(text, text) if self._rule else text

    def _is_time_after_all(self, text: str, fields: list[str]) -> bool:
        """A marker such as 0:00:00 is a real midnight where the duration beside it is not 0."""
        if self._paired is None:
            return False
        index, markers = self._paired
        return text in markers and fields[index].strip().strip("0.") != ""

    def guard(self, name: str, fields: list[str]) -> None:
        """Raise InvalidEvent if the text says to skip or to reject the row."""
        text = fields[self._index].strip()
        if self._rule is None:
            return
        if text in self._rule.reject:
            raise InvalidEvent(self._rule.reject[text], f"{name} is {text}")
        if text in self._rule.skip:
            raise InvalidEvent("skipped", f"{name} is {text}")
