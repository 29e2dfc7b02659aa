"""What the API says of the floor at one moment, asked for as `floorwalker top` needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from floorwalker_client.http import Http, NoAnswer
from service.errors import FailedError

Item = dict[str, Any]

TIMEOUT_SECONDS: Final = 10.0
WINDOW: Final = "15m"
_QUEUE_FIELDS: Final = (
    "waiting", "waiting_over_threshold", "oldest_wait_seconds", "expected_wait_seconds", "service_level_ratio",
    "offered", "abandoned", "agents_staffed", "agents_available", "agents_on_contact", "agents_acw", "agents_not_ready",
)  # fmt: skip
_QUEUES: Final = f"/v1/queues?windows={WINDOW}&fields={','.join(_QUEUE_FIELDS)}"
_AGENTS: Final = f"/v1/agents?windows={WINDOW}&fields=state_seconds,handled,aht_seconds,occupancy_ratio"
_ALERTS: Final = "/v1/alerts?state=firing"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The floor at one moment; a part is None where the token does not show it.

    `as_of` is the moment as the API writes it; `staleness_seconds` the age of the newest event in it, None before the
    first.
    """

    as_of: str
    staleness_seconds: float | None
    queues: list[Item] | None
    agents: list[Item] | None
    alerts: list[Item] | None


def read_snapshot(http: Http, agents: bool = True) -> Snapshot:
    """Ask for everything. `agents` False: not for them. Raises FailedError, which says what the API did wrong."""
    queues = _ask(http, _QUEUES)
    people = _ask(http, _AGENTS) if agents else None
    alerts = _ask(http, _ALERTS)
    heads = [answer for answer in (queues, people, alerts) if answer is not None]
    if not heads:
        raise FailedError("this token shows neither queues nor agents nor alerts: use one of another role")
    items = [None if answer is None else answer["items"] for answer in (queues, people, alerts)]
    return Snapshot(heads[0]["as_of"], heads[0]["staleness_seconds"], *items)


def _ask(http: Http, path: str) -> Item | None:
    """The answer; None where the token does not show it."""
    where = f"the API at {http.host}:{http.port}"
    try:
        answer = http.get(path, TIMEOUT_SECONDS)
    except NoAnswer as error:
        raise FailedError(f"{where} cannot be asked ({error}): is `floorwalker api` running there?") from None
    if answer.status == 403:
        return None
    if answer.status == 401:
        raise FailedError(f"{where} wants a valid token: give its file with --token-file")
    if answer.status != 200:
        raise FailedError(
            f"{where} answered {path.partition('?')[0]} with status {answer.status}{_detail(answer.body)}"
        )
    try:
        found: Item = json.loads(answer.body)
        if isinstance(found["items"], list) and found.keys() >= {"as_of", "staleness_seconds"}:
            return found
    except (ValueError, TypeError, KeyError):
        pass  # said below, with the answers that are JSON of another kind
    raise FailedError(f"what answers at {http.host}:{http.port} is no API of Floorwalker: check --url")


def _detail(body: bytes) -> str:
    """The reason a problem document gives."""
    try:
        return f": {json.loads(body)['detail']}"
    except (ValueError, TypeError, KeyError):
        return ""
