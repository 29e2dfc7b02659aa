"""How many queues, agents and classes that nobody configured are let in: a broken feed may invent names without end."""

from collections import Counter
from typing import Any

from service.domain.errors import ScopeLimitReached
from service.domain.scopes import Scopes
from service.domain.settings import Floor
from service.domain.state_keys import parts_of


class Admission:
    """Counts one partition's scopes that are not configured. What is known stays known: a replay admits the same."""

    def __init__(self, floor: Floor, scopes: Scopes) -> None:
        self._floor = floor
        self._scopes = scopes
        self._counts: Counter[str] | None = None

    def recount(self) -> None:
        """Scopes were loaded: count anew when next asked."""
        self._counts = None

    def admit(self, scope: str) -> bool:
        """Let a scope in; True if it is new and counts. Raises ScopeLimitReached."""
        if self._counts is None:
            self._counts = Counter(kind for name in self._scopes.names() if (kind := self._kind(name)))
        kind = self._kind(scope)
        if kind is None or self._scopes.find(scope) is not None:
            return False
        if self._counts[kind] >= getattr(self._floor.limits, kind):
            raise ScopeLimitReached
        self._counts[kind] += 1
        return True

    def _kind(self, scope: str) -> str | None:
        """The limit that a scope counts for; None: it is configured."""
        if scope[0] == "c":
            return "classes"
        is_agent = scope[0] == "a"
        settings: dict[str, Any] = self._floor.agents if is_agent else self._floor.queues
        known = settings.get(parts_of(scope)[1])
        if known is not None and known.configured:
            return None
        return "agents" if is_agent else "queues"
