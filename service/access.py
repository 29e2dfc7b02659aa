"""Who may see what: the roles of tokens, and what a token is bound to. `docs/security.md` shows the table to people."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Area = Literal[
    "queues", "roll-ups", "routing", "agents", "sources", "metrics", "alerts", "acknowledge", "kpis", "administration"
]
"""Parts of the interface. `agents` is what belongs to single people, within what the token is bound to."""

Role = Literal["viewer", "router", "agent", "supervisor", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_VIEWER: Final[frozenset[Area]] = frozenset(("queues", "roll-ups", "sources", "alerts", "kpis"))
MAY: Final[dict[Role, frozenset[Area]]] = {
    "viewer": _VIEWER | {"metrics"},
    "router": frozenset(("queues", "routing", "kpis")),
    "agent": frozenset(("queues", "agents", "kpis")),
    "supervisor": _VIEWER | {"agents", "acknowledge"},
    "admin": frozenset(get_args(Area)),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token allows.

    `teams` binds a supervisor, `agent_id` an agent (None: no agent). `sha256` is of the whole token. `expires_ms`: from
    then on it allows nothing; None is never.
    """

    id: str
    role: Role
    teams: frozenset[str] = frozenset()
    agent_id: str | None = None
    sha256: bytes = b""
    expires_ms: int | None = None

    def may(self, area: Area) -> bool:
        """Whether the role has the area."""
        return area in MAY[self.role]

    def sees_team(self, team: str | None) -> bool:
        """Whether the team's roll-up is among what the token shows; None is nobody's team."""
        return self.role == "admin" or (team is not None and team in self.teams)

    def sees_agent(self, agent_id: str, team: str | None) -> bool:
        """Whether data of this agent, who is in `team`, is among what the token shows."""
        return self.sees_team(team) or agent_id == self.agent_id


EVERYTHING: Final = Grant("", "admin")
"""What everybody has where no tokens are asked for: on the loopback address."""
