"""How far a partition of `cti.facts` has come, and what of the past may therefore expire."""

from typing import Final

from msgspec import Struct, field

from service.domain import state_keys as keys

SKEW_KEPT_MS: Final = 9 * 86_400_000
"""How far behind the fastest source partition the slowest may be before its facts find their intervals gone."""


class Mark(Struct, array_like=True, gc=False):
    """Up to where this partition has come: the next offset of `cti.facts`, and per source partition the last source
    offset applied and how far event time has come there.

    `followed_ms` is how far event time had come in each partition of `cti.facts` when facts that follow from its own
    last came from it, 0 before the first; it is empty while none are to be expected, since no customers are known.
    """

    schema: int = keys.SCHEMA
    next_offset: int = 0
    applied: dict[int, int] = field(default_factory=dict)
    newest_ms: dict[int, int] = field(default_factory=dict)
    followed_ms: dict[int, int] = field(default_factory=dict)

    def expect_following(self, partitions: int) -> None:
        """Facts that follow are to be expected, of any partition."""
        if not self.followed_ms:
            self.followed_ms = dict.fromkeys(range(partitions), 0)

    def reached_ms(self, partitions: int) -> int:
        """What all source partitions have passed, so that it may expire when it is old enough.

        Catching up on a backlog, partitions differ by days of event time. One that never speaks must not hold up the
        rest.
        """
        slowest_ms = min(self.newest_ms.values()) if len(self.newest_ms) == partitions else 0
        return max(slowest_ms, max(self.newest_ms.values(), default=0) - SKEW_KEPT_MS)

    def followed_by_all_ms(self, partitions: int) -> int:
        """The same where facts follow: they come one partition later, which may have a backlog of its own."""
        reached_ms = self.reached_ms(partitions)
        slowest_ms = min(self.followed_ms.values(), default=reached_ms)
        return min(reached_ms, max(slowest_ms, max(self.newest_ms.values(), default=0) - SKEW_KEPT_MS))
