"""Asterisk's queue_log: `epoch|callid|queue|agent|event|data...` lines, or JSON rows of its database table."""

import re
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from service.adapters.asterisk_calls import Calls, LogLine
from service.adapters.base import AdapterSettings, Envelope, Parsed, native_id, utf8
from service.adapters.clock import Clock
from service.domain import events as ev
from service.domain.business_events import SourceGap
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.errors import UsageError

NOBODY: Final = "NONE"
FIXED_FIELDS: Final = 5
DATA_FIELDS: Final = 6
LONGEST_REASON: Final = 1024

Scalar = str | int | float | None


class QueueLogRow(msgspec.Struct):
    """A row of the database table; its numbers may be numbers or text."""

    time: str | int | float
    event: str
    callid: Scalar = None
    queuename: Scalar = None
    agent: Scalar = None
    data1: Scalar = None
    data2: Scalar = None
    data3: Scalar = None
    data4: Scalar = None
    data5: Scalar = None


_row_decoder = msgspec.json.Decoder(QueueLogRow)


class QueueLogAdapter:
    """Turns log lines into the life of contacts and agents."""

    name = "asterisk-queue-log"
    keyed = True
    json_array = True

    def __init__(self, settings: AdapterSettings) -> None:
        self._source = settings.source
        self._clock = Clock(settings.source, settings.timezone)
        self._agent_pattern = _compiled(settings.agent_pattern) if settings.agent_pattern else None
        self._calls = Calls()

    def begin(self, first_line: bytes) -> bool:
        """A queue_log has no heading."""
        return False

    def parse(self, raw: bytes) -> Parsed:
        """Read one line. Raises InvalidEvent."""
        text = utf8(raw).strip()
        fields = _json_fields(text) if text.startswith("{") else text.split("|")
        if len(fields) < FIXED_FIELDS:
            raise InvalidEvent("bad_line", f"{len(fields)} fields, a queue_log line has at least {FIXED_FIELDS}")
        at_ms = self._clock.text_ms(fields[0].strip())
        native = fields[4].strip().upper()
        if native in WITHOUT_MEANING:
            return Parsed(at_ms, _nothing)
        handle = HANDLERS.get(native)
        if handle is None:
            raise InvalidEvent("unknown_type", f"queue_log event {native[:60]!r}")
        data = [field.strip() for field in fields[FIXED_FIELDS:]]
        data += [""] * (DATA_FIELDS - len(data))
        line = LogLine(
            at_ms, _id(fields[1], "callid"), _id(fields[2], "queue"), self._agent(fields[3]), native, tuple(data)
        )
        return Parsed(at_ms, partial(self._events, handle, line))

    def _agent(self, text: str) -> str:
        agent = _id(text, "agent")
        found = self._agent_pattern.search(agent) if self._agent_pattern and agent else None
        if found is None:
            return agent
        return (found[1] if found.re.groups else found[0]) or agent

    def _events(self, handle: "Handler", line: LogLine, key: str) -> list[Event]:
        return handle(self._calls, line, Envelope(key, self._source))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(f"agent_pattern {pattern!r} is not a regular expression: {error}") from None


def _nothing(key: str) -> list[Event]:
    return []


def _id(text: str, field: str) -> str:
    """The id; "" for nobody."""
    text = text.strip()
    return native_id(text, field) if text and text.upper() != NOBODY else ""


def _json_fields(text: str) -> list[str]:
    """The fields of a JSON row in the order of a log line."""
    try:
        # A row on a line of its own in a truncated array keeps the comma that followed it.
        row = _row_decoder.decode(text.rstrip(",] "))
    except msgspec.ValidationError as error:
        reason = "missing_field" if "missing required field" in str(error) else "bad_field"
        raise InvalidEvent(reason, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent("bad_json", str(error)) from None
    data = (row.data1, row.data2, row.data3, row.data4, row.data5)
    values = (row.time, row.callid, row.queuename, row.agent, row.event, *data)
    return ["" if value is None else str(value) for value in values]


Handler = Callable[[Calls, LogLine, Envelope], list[Event]]


def _login(calls: Calls, line: LogLine, envelope: Envelope) -> list[Event]:
    return [ev.AgentLogin(**envelope(line.at_ms), agent_id=line.needs_agent())]


def _logout(calls: Calls, line: LogLine, envelope: Envelope) -> list[Event]:
    return [ev.AgentLogout(**envelope(line.at_ms), agent_id=line.needs_agent(), login_ms=line.seconds(2))]


def _joined(calls: Calls, line: LogLine, envelope: Envelope) -> list[Event]:
    agent_id, queue_id = line.needs_agent(), line.needs_queue()
    events: list[Event] = [ev.AgentQueueJoined(**envelope(line.at_ms), agent_id=agent_id, queue_id=queue_id)]
    if line.text(1).upper() == "PAUSED":
        events.append(
            ev.AgentStateChanged(**envelope(line.at_ms), agent_id=agent_id, state="not_ready", queue_id=queue_id)
        )
    return events


def _left(calls: Calls, line: LogLine, envelope: Envelope) -> list[Event]:
    return [ev.AgentQueueLeft(**envelope(line.at_ms), agent_id=line.needs_agent(), queue_id=line.needs_queue())]


def _pause(state: ev.State, per_queue: bool) -> Handler:
    """A pause or its end; PAUSEALL is followed by one PAUSE for each queue, which the domain does not count again."""

    def handle(calls: Calls, line: LogLine, envelope: Envelope) -> list[Event]:
        reason = line.text(1)[:LONGEST_REASON] or None
        queue_id = line.queue or None if per_queue else None
        return [
            ev.AgentStateChanged(
                **envelope(line.at_ms), agent_id=line.needs_agent(), state=state, reason=reason, queue_id=queue_id
            )
        ]

    return handle


def _gap(calls: Calls, line: LogLine, envelope: Envelope) -> list[Event]:
    return [SourceGap(**envelope(line.at_ms), reason=line.event.lower())]


HANDLERS: Final[dict[str, Handler]] = {
    "ENTERQUEUE": Calls.enter,
    "CONNECT": Calls.connect,
    "ABANDON": Calls.abandon,
    "COMPLETEAGENT": partial(Calls.complete, releasing_party="agent"),
    "COMPLETECALLER": partial(Calls.complete, releasing_party="customer"),
    "TRANSFER": partial(Calls.transfer, kind="blind"),
    "BLINDTRANSFER": partial(Calls.transfer, kind="blind"),
    "ATTENDEDTRANSFER": partial(Calls.transfer, kind="attended"),
    "EXITWITHTIMEOUT": partial(Calls.flow_out, reason="timeout", wait_field=3),
    "EXITEMPTY": partial(Calls.flow_out, reason="empty", wait_field=3),
    "LEAVEEMPTY": partial(Calls.flow_out, reason="empty", wait_field=3),
    "EXITWITHKEY": partial(Calls.flow_out, reason="key", wait_field=4),
    "WITHDRAW": partial(Calls.flow_out, reason="withdraw", wait_field=3),
    "FULL": partial(Calls.refuse, reason="full"),
    "CLOSED": partial(Calls.refuse, reason="closed"),
    "JOINEMPTY": partial(Calls.refuse, reason="joinempty"),
    "RINGNOANSWER": partial(Calls.miss, reason="no_answer"),
    "RINGCANCELED": partial(Calls.miss, reason="customer_left"),
    "AGENTDUMP": partial(Calls.fail, leaves_queue=False),
    "SYSCOMPAT": partial(Calls.fail, leaves_queue=True),
    "WRAPUPSTART": Calls.wrap_up,
    "ADDMEMBER": _joined,
    "REMOVEMEMBER": _left,
    "PAUSE": _pause("not_ready", per_queue=True),
    "UNPAUSE": _pause("ready", per_queue=True),
    "PAUSEALL": _pause("not_ready", per_queue=False),
    "UNPAUSEALL": _pause("ready", per_queue=False),
    "AGENTLOGIN": _login,
    "AGENTCALLBACKLOGIN": _login,
    "AGENTLOGOFF": _logout,
    "AGENTCALLBACKLOGOFF": _logout,
    "QUEUESTART": _gap,
    "CONFIGRELOAD": _gap,
}
"""Native event -> what it means. Fields are counted from 1 after the event's name, as in Asterisk's documentation."""

WITHOUT_MEANING: Final = frozenset({"DID", "INFO", "PENALTY", "RULE", "ROTATE", "REALTIME"})
"""Native events that no KPI depends on."""
