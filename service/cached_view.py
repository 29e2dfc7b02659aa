"""Readings of the floor from totals of windows that are merged once and kept until one of their buckets changes."""

from collections.abc import Callable
from typing import Any, Final, cast

from service.domain.calendar import Calendars
from service.domain.kpis import Reading
from service.domain.scopes import AGENT_PANE_MS, QUEUE_PANE_MS, AgentScope, QueueScope
from service.domain.settings import Floor, ServiceLevel
from service.domain.totals import Totals
from service.domain.view import ROLLING_MS, TIME_FIELDS, FloorView, Staff, WaitingNow, add_state, expected_wait_ms
from service.state_times import StateTimes
from service.window_cache import IntervalTotals, PaneTotals, merged, sums_of

_NOTHING: Final = Totals()


class Windows:
    """The cached window totals of one scope."""

    __slots__ = ("_sums", "intervals", "panes", "scope", "times")

    def __init__(self, scope: QueueScope | AgentScope) -> None:
        self.scope = scope
        self.panes = PaneTotals(lambda: scope.panes)
        self.intervals = IntervalTotals(lambda: scope.intervals)
        self.times = StateTimes()
        self._sums: PaneTotals | None = None

    @property
    def sums(self) -> PaneTotals:
        """The same as `panes` for who reads few of the fields."""
        if self._sums is None:
            scope = self.scope
            self._sums = PaneTotals(lambda: scope.panes, sums_of)
        return self._sums

    def changed(self, number: int, of_panes: bool) -> None:
        """A pane or interval was read anew, or is gone."""
        if not of_panes:
            self.intervals.changed(number)
            return
        self.panes.changed(number)
        if self._sums is not None:
            self._sums.changed(number)


class CachedView(FloorView):
    """The same readings as FloorView, from totals that are merged once."""

    def __init__(
        self,
        floor: Floor,
        calendars: Calendars,
        now_ms: int,
        windows: Callable[[QueueScope | AgentScope], Windows],
    ) -> None:
        super().__init__(floor, calendars, now_ms)
        self._windows = windows

    def queue_totals(self, queue: QueueScope, window: str) -> Totals:
        """A queue's totals of one window."""
        windows = self._windows(queue)
        span_ms = ROLLING_MS.get(window)
        if span_ms is not None:
            return windows.panes.rolling(span_ms // QUEUE_PANE_MS, self.now_ms // QUEUE_PANE_MS)
        return windows.intervals.total(*self.bounds_ms(queue.scope, window))

    def queue_sums(self, queue: QueueScope, window: str) -> Totals:
        """The same for who reads few of the fields."""
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            return self._windows(queue).intervals.sums(*self.bounds_ms(queue.scope, window))
        return self._windows(queue).sums.rolling(span_ms // QUEUE_PANE_MS, self.now_ms // QUEUE_PANE_MS)

    def queue_now(self, queues: list[QueueScope], staff: Staff | None, level: ServiceLevel) -> Reading:
        """What is true of one or several queues now."""
        waiting = WaitingNow(self._floor, queues, self.now_ms)
        hours = [self.queue_sums(queue, "60m") for queue in queues]
        last_hour = hours[0] if len(hours) == 1 else sums_of(hours)
        wait_ms = expected_wait_ms(waiting.oldest_ms, staff, last_hour)
        return Reading(_NOTHING, level, waiting.count, waiting.over, waiting.oldest_ms, staff, wait_ms)

    def agent_counts(self, agent: AgentScope, window: str) -> Totals:
        """What contacts come to in a window of an agent's; shared, not to be changed."""
        windows = self._windows(agent)
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            return windows.intervals.total(*self.bounds_ms(agent.scope, window))
        return windows.panes.rolling(span_ms // AGENT_PANE_MS, self.now_ms // AGENT_PANE_MS)

    def queue_panes(self, queue: QueueScope, first: int, end: int) -> Totals:
        """The same of the panes [first, end)."""
        return self._windows(queue).sums.between(first, end)

    def own_agent_counts(self, agent: AgentScope, window: str) -> Totals:
        """A copy of it."""
        return merged((self.agent_counts(agent, window),))

    def agent_times(self, agent: AgentScope, span_ms: int) -> Totals:
        """An agent's time in state in a rolling window, up to now."""
        totals = Totals()
        times = self._windows(agent).times.of(agent.timeline, self._first_ms(span_ms), self.now_ms)
        for (state, reason, logged_in), time_ms in times.items():
            add_state(totals, state, reason, logged_in, time_ms)
        return totals

    def agent_sums(self, agent: AgentScope, window: str) -> Totals:
        """An agent's totals for who reads few of the fields: time in state, or in adherence, is measured if asked
        for.
        """
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            return self.agent_totals(agent, window)
        return cast(Totals, _AgentSums(self, self._windows(agent).sums, agent, span_ms))


class _AgentSums:
    """Reads like an agent's `Totals`: counts of contacts, and what is measured when it is first asked for."""

    def __init__(self, view: FloorView, panes: PaneTotals, agent: AgentScope, span_ms: int) -> None:
        self._view, self._panes, self._agent, self._span_ms = view, panes, agent, span_ms
        self._times: Totals | None = None

    def __getattr__(self, name: str) -> Any:
        if name in TIME_FIELDS:
            if self._times is None:
                self._times = self._view.agent_times(self._agent, self._span_ms)
            value = getattr(self._times, name)
        elif name == "adherence_ms":
            value = self._view.agent_adherence(self._agent, self._span_ms).adherence_ms
        else:
            count = self._span_ms // AGENT_PANE_MS
            value = getattr(self._panes.rolling(count, self._view.now_ms // AGENT_PANE_MS), name)
        self.__dict__[name] = value
        return value
