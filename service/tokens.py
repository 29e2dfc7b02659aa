"""Access tokens and the file of their hashes.

A token is `fw_ID.SECRET`, its secret 256 random bits. The file has the SHA-256 of each token: a slow, salted hash would
protect passwords, which people choose and others can guess; nobody can try 2^256 secrets at any speed, and a slow hash
would cost every request tens of milliseconds.
"""

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.access import Grant, Role
from service.config_messages import explain
from service.config_source import read_source
from service.errors import UsageError
from service.timetext import format_moment, parse_moment_ms

log = logging.getLogger(__name__)

ID_RULE: Final = r"[a-z0-9][a-z0-9_-]{0,62}"
_WRONG_ID: Final = "{!r} is no id of a token: use small letters, digits, - and _, 63 at most"
_PREFIX: Final = "fw_"
_SECRET_BYTES: Final = 32
_LOOK_EVERY_MS: Final = 1_000
_NOBODY: Final = Grant("", "viewer", sha256=bytes(32))
_BOUND_TO: Final[dict[Role, str]] = {"agent": "agent", "supervisor": "teams"}
"""What an entry of the role has to be bound to; others must not be."""

Text = Annotated[str, Field(min_length=1)]


class _Entry(BaseModel):
    """One token as the file has it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    role: Role
    teams: list[Text] = []
    agent: Text | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    expires: str | None = None

    @field_validator("expires")
    @classmethod
    def _a_moment(cls, value: str | None) -> str | None:
        if value is not None:
            parse_moment_ms(value, "UTC")
        return value

    @model_validator(mode="after")
    def _bound_as_the_role_wants(self) -> "_Entry":
        complaint = wrong_binding(self.role, self.teams, self.agent)
        if complaint is not None:
            raise ValueError(complaint)
        return self

    def grant(self, id_: str) -> Grant:
        """The entry as what it allows."""
        expires_ms = None if self.expires is None else parse_moment_ms(self.expires, "UTC")
        return Grant(id_, self.role, frozenset(self.teams), self.agent, bytes.fromhex(self.sha256), expires_ms)


def wrong_binding(role: Role, teams: Iterable[str], agent: str | None) -> str | None:
    """What is wrong with what a token of the role is bound to; None if nothing is."""
    needed = _BOUND_TO.get(role)
    for name, given in (("teams", bool(list(teams))), ("agent", agent is not None)):
        if given and name != needed:
            return f"the role {role} is not bound to {name}"
        if name == needed and not given:
            return f"the role {role} has to be bound to {name}"
    return None


def new_token(
    role: Role, id_: str | None, teams: list[str], agent: str | None, expires_ms: int | None
) -> tuple[str, str]:
    """Return a new token, and its line for the file. Raises UsageError for an unfit id or binding."""
    id_ = id_ or f"{role}-{secrets.token_hex(3)}"
    if not re.fullmatch(ID_RULE, id_):
        raise UsageError(_WRONG_ID.format(id_))
    complaint = wrong_binding(role, teams, agent)
    if complaint is not None:
        raise UsageError(f"{complaint} (--team NAME for a supervisor, repeatable; --agent ID for an agent)")
    token = f"{_PREFIX}{id_}.{secrets.token_urlsafe(_SECRET_BYTES)}"
    bound = [f"teams: {json.dumps(teams)}"] if teams else []
    bound += [f"agent: {json.dumps(agent)}"] if agent is not None else []
    until = [f'expires: "{format_moment(expires_ms)}"'] if expires_ms is not None else []
    parts = [f"role: {role}", *bound, f'sha256: "{_digest(token).hex()}"', *until]
    return token, f"{id_}: {{{', '.join(parts)}}}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def read_tokens(path: Path) -> dict[str, Grant]:
    """Return the file's tokens by their ids. Raises UsageError with file, line and reason."""
    source = read_source(path)
    found: dict[str, Grant] = {}
    for id_, entry in source.values.items():
        if not re.fullmatch(ID_RULE, id_):
            source.complain([((id_,), _WRONG_ID.format(id_))])
            continue
        try:
            found[id_] = _Entry.model_validate(entry).grant(id_)
        except ValidationError as error:
            for details in error.errors():
                at = (id_, *details["loc"])
                source.complain([(at, explain(_Entry, {**details, "loc": at}))])
    if source.problems:
        raise UsageError(source.sentences()[0])
    return found


class Tokens:
    """The tokens in force: those of the file, which is read again soon after it has changed.

    A changed file that is wrong or gone changes nothing, and the log says so: a slip of the pen locks nobody out.
    """

    def __init__(
        self,
        path: Path,
        wall_ms: Callable[[], int],
        monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        """Read the file. Raises UsageError.

        `wall_ms` says what has expired. `monotonic_ms` says when to look at the file again: a wall clock that is set
        back would keep revoked tokens in force for as long.
        """
        self._path = path
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._seen = _look(path)
        self._look_at_ms = monotonic_ms() + _LOOK_EVERY_MS
        self._grants = read_tokens(path)

    def grant_of(self, token: str) -> Grant | None:
        """What the token allows; None if it is unknown or has expired."""
        id_ = token.removeprefix(_PREFIX).partition(".")[0]
        known = self.current(id_)
        # an unknown id costs the same comparison, so that time tells nothing about secrets
        same = hmac.compare_digest(_digest(token), (known or _NOBODY).sha256)
        return known if same else None

    def current(self, id_: str) -> Grant | None:
        """What the token of this id allows now; None if there is none (any more)."""
        self._refresh()
        found = self._grants.get(id_)
        expired = found is not None and found.expires_ms is not None and found.expires_ms <= self._wall_ms()
        return None if expired else found

    def _refresh(self) -> None:
        now_ms = self._monotonic_ms()
        if now_ms < self._look_at_ms:
            return
        self._look_at_ms = now_ms + _LOOK_EVERY_MS
        seen = _look(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._grants = read_tokens(self._path)
        except UsageError as error:
            log.error("the tokens stay as they were: %s", error)
        else:
            log.info("%s: %d tokens are in force", self._path, len(self._grants))


def _look(path: Path) -> tuple[int, ...] | None:
    """What differs once the file is another one or has other contents; None without a file."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino, now.st_dev
