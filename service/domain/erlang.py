"""Waiting and staffing by queueing theory: Erlang C, where everybody waits, and Erlang A, where some give up.

Contacts arrive at random (Poisson), handle times and patience are exponential, all agents are alike, the state is
steady. Formulas: Erlang 1917 and the recursion of Jagerman 1974 for B and C; Mandelbaum & Zeltyn, "Service Engineering
in Action: The Palm/Erlang-A Queue" (2007), for A: a newcomer who must wait, and does not give up, waits for v with the
density  lambda p(n-1) exp(lambda (1 - exp(-theta v)) / theta - n mu v).

Agents may be a fraction, a mean of heads: 13.4 is 13 for 60 % of the time and 14 for the rest of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1, floor, inf, log
from typing import Final

from service.domain.service_level import Expected, service_level
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals

_RESCALE_AT: Final = 1e250
_RESCALE_LOG: Final = log(_RESCALE_AT)
_NEGLIGIBLE: Final = 1e-17
MOST_AGENTS: Final = 1 << 20
"""No answer to how many agents a load needs is larger."""

LONGEST_PATIENCE: Final = 10_000
"""Patience beyond so many handle times is taken for that many: hardly anybody gives up."""


@dataclass(frozen=True, slots=True)
class Load:
    """Contacts that arrive in `span_ms` and take `aht_ms` each, on the mean. `patience_ms`: how long a customer would
    wait before giving up, on the mean; None: for ever (Erlang C).
    """

    contacts: float
    aht_ms: float
    span_ms: float
    patience_ms: float | None = None

    @property
    def erlangs(self) -> float:
        """Agents that would be busy if nobody gave up."""
        return self.contacts * self.aht_ms / self.span_ms


@dataclass(frozen=True, slots=True)
class Performance:
    """What a staffed queue is expected to do.

    `waiting`: the probability that a newcomer has to wait. `outcomes`: shares of those offered. `mean_wait_ms`: of
    everybody offered, which without abandonment is the ASA; infinite where the queue grows for ever. `occupancy`: the
    busy share of the agents' time.
    """

    waiting: float
    outcomes: Expected
    mean_wait_ms: float
    occupancy: float

    @property
    def abandonment(self) -> float:
        """The share that gives up."""
        return self.outcomes.abandoned

    def service_level(self, level: ServiceLevel) -> float | None:
        """The service level by the queue's variant; None without a threshold, or where the variant counts nobody."""
        for_ever = max(0.0, 1 - self.outcomes.answered - self.outcomes.abandoned)
        return service_level(self.outcomes, for_ever, level)


def patience_ms(totals: Totals) -> float | None:
    """How long customers would wait before giving up, on the mean; None where nobody abandoned.

    1 / theta with theta = abandoned / time waited by all: the maximum likelihood of an exponential patience, which
    those who were answered, or left for elsewhere, outlasted.
    """
    waited_ms = totals.wait_ms + totals.abandon_wait_ms + totals.flowed_out_wait_ms
    return waited_ms / totals.abandoned if totals.abandoned > 0 and waited_ms > 0 else None


def blocking(erlangs: float, agents: int) -> float:
    """Erlang B: the probability that all agents are busy where nobody can wait."""
    found = 1.0
    for n in range(1, agents + 1):
        found = erlangs * found / (n + erlangs * found)
    return found


def waiting_probability(erlangs: float, agents: int) -> float:
    """Erlang C: the probability that a newcomer has to wait; 1 where the queue grows for ever."""
    if agents <= erlangs:
        return 1.0
    blocked = blocking(erlangs, agents)
    return blocked / (1 - erlangs / agents * (1 - blocked))


def performance(load: Load, agents: float, level: ServiceLevel) -> Performance:
    """What `agents` do with the load: by Erlang A where customers have a patience, by Erlang C otherwise."""
    whole = floor(agents)
    below = _performance(load, whole, level)
    if agents == whole:
        return below
    return _between(below, _performance(load, whole + 1, level), agents - whole)


def agents_needed(load: Load, level: ServiceLevel, max_occupancy: float = 1.0) -> int | None:
    """The fewest agents that reach the target of the service level and are busy for no more than `max_occupancy` of
    their time; None without a threshold. Nobody is needed for no contacts.
    """
    if level.threshold_ms is None:
        return None
    if load.erlangs <= 0:
        return 0

    def suffices(agents: int) -> bool:
        found = _performance(load, agents, level)
        reached = found.service_level(level)
        return reached is not None and reached >= level.target_ratio and found.occupancy <= max_occupancy

    return _fewest(suffices, load.erlangs if load.patience_ms is None else 0.0)


def _fewest(suffices: Callable[[int], bool], more_than: float) -> int:
    """The smallest number above `more_than` that suffices, as all greater ones do; at most MOST_AGENTS."""
    low, step = floor(more_than), 1
    while low + step < MOST_AGENTS and not suffices(low + step):
        low, step = low + step, step * 2
    high = min(low + step, MOST_AGENTS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _performance(load: Load, agents: int, level: ServiceLevel) -> Performance:
    patience = load.patience_ms
    if patience is None:
        return _erlang_c(load, agents, level.threshold_ms or 0)
    patience = min(patience, LONGEST_PATIENCE * load.aht_ms)
    if agents == 0:
        return _nobody(patience, level)
    return _erlang_a(load, agents, level, patience)


def _erlang_c(load: Load, agents: int, threshold_ms: float) -> Performance:
    erlangs = load.erlangs
    if agents <= erlangs:
        return Performance(1.0, Expected(answered=float(agents > 0)), inf, float(agents > 0))
    waiting = waiting_probability(erlangs, agents)
    drain = (agents - erlangs) / load.aht_ms
    within = 1 - waiting * exp(-drain * threshold_ms)
    return Performance(waiting, Expected(1.0, within), waiting / drain, erlangs / agents)


def _nobody(patience: float, level: ServiceLevel) -> Performance:
    """Without agents all give up."""
    within, short = (-expm1(-limit_ms / patience) for limit_ms in (level.threshold_ms or 0, level.short_abandon_ms))
    outcomes = Expected(abandoned=1.0, abandoned_in_threshold=within, short_abandoned=short)
    return Performance(1.0, outcomes, patience, 0.0)


def _erlang_a(load: Load, agents: int, level: ServiceLevel, patience: float) -> Performance:
    arrivals, serving, leaving = load.contacts / load.span_ms, agents / load.aht_ms, 1 / patience
    waits = _Waits(arrivals, serving, leaving, blocking(load.erlangs, agents - 1))
    in_threshold, abandoned_in_threshold = waits.until(level.threshold_ms or 0)
    _, short = waits.until(level.short_abandon_ms)
    answered, abandoned = waits.until(inf)
    idle = waits.idle
    outcomes = Expected(idle + answered, idle + in_threshold, abandoned, abandoned_in_threshold, short)
    return Performance(waits.waiting, outcomes, abandoned * patience, arrivals * (idle + answered) / serving)


class _Waits:
    """The waits of Erlang A, from the rates of arrival, of service by all agents, and of giving up.

    With g(v) = exp(lambda (1 - exp(-theta v)) / theta - n mu v), G(t) the integral of g from 0 to t, and
    J(lambda) = G(infinity), substituting v = t + u gives  J(lambda) - G(t) = g(t) J(lambda exp(-theta t)),  and the
    derivative of g gives the integral of lambda exp(-theta v) g(v) as  g(t) - 1 + n mu G(t).
    """

    def __init__(self, arrivals: float, serving: float, leaving: float, blocked: float) -> None:
        """`blocked` is Erlang B of one agent fewer: p(n-1) given that an agent is free."""
        self._arrivals, self._serving, self._leaving = arrivals, serving, leaving
        self._log_all = _log_integral(arrivals, serving, leaving)
        # p(n-1) J, and p(n-1), of which the sum of p(0) to p(n-1), p(n-1) / blocked, and lambda p(n-1) J make one
        log_free = -log(blocked) if blocked > 0 else inf
        log_busy = log(arrivals) + self._log_all if arrivals > 0 else -inf
        log_sum = _log_add(log_free, log_busy)
        self._log_last = -log_sum
        self.waiting = exp(log_busy - log_sum) if log_busy > -inf and log_sum < inf else 0.0
        self.idle = exp(log_free - log_sum) if log_free < inf else 1.0

    def until(self, limit_ms: float) -> tuple[float, float]:
        """Shares of all who are answered, and who give up, after having to wait and within `limit_ms`.

        Who gives up by then would have had to wait for less, or for longer with a patience that ends before.
        """
        arrivals, serving, leaving, last = self._arrivals, self._serving, self._leaving, self._log_last
        if not self.waiting:
            return 0.0, 0.0
        whole = exp(last + self._log_all)
        beyond = density = 0.0
        if limit_ms < inf:
            fading = arrivals * exp(-leaving * limit_ms)
            log_density = -arrivals * expm1(-leaving * limit_ms) / leaving - serving * limit_ms
            density = exp(last + log_density)
            beyond = exp(last + log_density + _log_integral(fading, serving, leaving))
        within = max(whole - beyond, 0.0)
        answered = min(max(density - exp(last) + serving * within, 0.0), arrivals * within)
        return answered, arrivals * (within - beyond * expm1(-leaving * limit_ms)) - answered


def _log_integral(arrivals: float, serving: float, leaving: float) -> float:
    """The logarithm of J(lambda): the sum over k of lambda^k / (n mu (n mu + theta) ... (n mu + k theta))."""
    term = total = 1 / serving
    shift, rate = 0.0, serving
    while term > total * _NEGLIGIBLE:
        rate += leaving
        term *= arrivals / rate
        total += term
        if total > _RESCALE_AT:
            total, term, shift = total / _RESCALE_AT, term / _RESCALE_AT, shift + _RESCALE_LOG
    return log(total) + shift


def _log_add(a: float, b: float) -> float:
    """The logarithm of exp(a) + exp(b)."""
    high, low = max(a, b), min(a, b)
    return high if high == inf or low == -inf else high + log(1 + exp(low - high))


def _between(a: Performance, b: Performance, share: float) -> Performance:
    """The mixture of `a` and, for `share` of the time, `b`."""

    def mix(x: float, y: float) -> float:
        return x if x == y else x + (y - x) * share

    outcomes = Expected(
        mix(a.outcomes.answered, b.outcomes.answered),
        mix(a.outcomes.answered_in_threshold, b.outcomes.answered_in_threshold),
        mix(a.outcomes.abandoned, b.outcomes.abandoned),
        mix(a.outcomes.abandoned_in_threshold, b.outcomes.abandoned_in_threshold),
        mix(a.outcomes.short_abandoned, b.outcomes.short_abandoned),
    )
    waits_ms = inf if inf in (a.mean_wait_ms, b.mean_wait_ms) else mix(a.mean_wait_ms, b.mean_wait_ms)
    return Performance(mix(a.waiting, b.waiting), outcomes, waits_ms, mix(a.occupancy, b.occupancy))
