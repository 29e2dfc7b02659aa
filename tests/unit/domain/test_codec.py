"""Which bytes are events, and which are not."""

import msgspec
import pytest

from service.domain.codec import EVENT_TYPES, TYPE_OF, decode_event, encode_event, record_key
from service.domain.errors import REASONS, InvalidEvent, check_time
from service.domain.events import Event
from tests.unit.domain.build import event, ms

GROUPS = ("Event", "ContactEvent", "VisitEvent", "LegEvent", "AgentEvent", "CallbackEvent", "CampaignEvent")


def test_every_type_has_a_name_of_two_parts_and_a_class_of_its_own() -> None:
    assert all(name.count(".") == 1 for name in EVENT_TYPES)
    assert len(TYPE_OF) == len(EVENT_TYPES) >= 50


@pytest.mark.parametrize("name", GROUPS)
def test_the_class_of_a_group_is_no_event(name: str) -> None:
    fields = {"contact_id": "c", "visit_id": "v", "agent_id": "a", "campaign_id": "x"}
    raw = msgspec.json.encode({"type": name, "event_id": "e", "occurred_at_ms": ms(0), **fields})
    with pytest.raises(InvalidEvent) as raised:
        decode_event(raw)
    assert raised.value.reason == "unknown_type"


@pytest.mark.parametrize("cls", EVENT_TYPES.values(), ids=EVENT_TYPES.keys())
def test_an_event_with_its_required_fields_survives_the_wire(cls: type[Event]) -> None:
    needed = {field.name for field in msgspec.structs.fields(cls) if field.required}
    samples = {
        "state": "ready",
        "intervals": [],
        "start_ms": ms(1),
        "end_ms": ms(2),
        "volume": 1.5,
        "aht_ms": 3,
        "due_at_ms": 4,
    }
    samples |= {"done_at_ms": 5, "score": 4.0, "customers": 6, "occurred_at_ms": ms(0)}
    told = msgspec.convert({"type": TYPE_OF[cls], **{name: samples.get(name, "x") for name in needed}}, type=cls)
    raw = encode_event(told)
    assert decode_event(raw) == told
    assert b"null" not in raw
    assert record_key(told)


def test_unknown_fields_are_ignored() -> None:
    told = event("visit.queued", 0)
    assert decode_event(encode_event(told).replace(b"{", b'{"colour": "red", ', 1)) == told


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        pytest.param("contact_id", "", "bad_field", id="an empty id"),
        pytest.param("contact_id", "x" * 257, "bad_field", id="an id of 257 characters"),
        pytest.param("channel", "smoke", "bad_field", id="a channel nobody has"),
        pytest.param("wait_ms", -1, "bad_field", id="a negative duration"),
        pytest.param("wait_ms", 1.5, "bad_field", id="half a millisecond"),
        pytest.param("occurred_at_ms", None, "bad_timestamp", id="no time"),
        pytest.param("occurred_at_ms", 1e30, "bad_timestamp", id="a time in floating point"),
    ],
)
def test_a_mistyped_field_rejects_the_event(field: str, value: object, reason: str) -> None:
    fields = msgspec.to_builtins(event("visit.queued", 0)) | {field: value}
    with pytest.raises(InvalidEvent) as raised:
        decode_event(msgspec.json.encode(fields))
    assert raised.value.reason == reason and reason in REASONS
    assert field in raised.value.detail


@pytest.mark.parametrize(
    ("at_ms", "right"),
    [
        pytest.param(631_152_000_000, True, id="1990 begins"),
        pytest.param(631_151_999_999, False, id="before 1990"),
        pytest.param(ms(0) + 366 * 86_400_000, True, id="a year ahead"),
        pytest.param(ms(0) + 366 * 86_400_000 + 1, False, id="further ahead"),
    ],
)
def test_a_time_no_clock_could_show_is_refused(at_ms: int, right: bool) -> None:
    if right:
        check_time(at_ms, ms(0))
    else:
        with pytest.raises(InvalidEvent, match="bad_timestamp"):
            check_time(at_ms, ms(0))


@pytest.mark.parametrize(
    ("told", "key"),
    [
        (event("visit.queued", 0), "c"),
        (event("agent.login", 0), "1001"),
        (event("incident.opened", 0, incident_id="i-7"), "i-7"),
        (event("source.gap", 0, source="pbx"), "pbx"),
        (event("source.gap", 0), "source"),
    ],
)
def test_the_key_is_the_contact_else_the_agent_else_the_subject(told: Event, key: str) -> None:
    assert record_key(told) == key
