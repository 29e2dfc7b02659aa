"""Which bytes are events, and which are not."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

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


SAMPLES: dict[str, Any] = {
    "state": "ready",
    "intervals": [],
    "start_ms": ms(1),
    "end_ms": ms(2),
    "volume": 1.5,
    "aht_ms": 3,
    "due_at_ms": 4,
    "done_at_ms": 5,
    "score": 4.0,
    "customers": 6,
    "occurred_at_ms": ms(0),
}


def smallest(cls: type[msgspec.Struct]) -> dict[str, Any]:
    needed = {field.name for field in msgspec.structs.fields(cls) if field.required}
    return {name: SAMPLES.get(name, "x") for name in needed}


@pytest.mark.parametrize("cls", EVENT_TYPES.values(), ids=EVENT_TYPES.keys())
def test_an_event_with_its_required_fields_survives_the_wire(cls: type[Event]) -> None:
    told = msgspec.convert({"type": TYPE_OF[cls], **smallest(cls)}, type=cls)
    raw = encode_event(told)
    assert decode_event(raw) == told
    assert b"null" not in raw
    assert record_key(told)


def parts_of(hint: Any) -> set[Any]:
    """The types that a hint is made of."""
    return {hint}.union(*(parts_of(arg) for arg in get_args(hint) if not isinstance(arg, msgspec.Meta)))


def with_huge_numbers(cls: type[msgspec.Struct]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The smallest such object with one of its whole numbers beyond all bounds, once for each there can be."""
    for name, hint in get_type_hints(cls, include_extras=True).items():
        for part in parts_of(hint):
            if part is int:
                yield name, smallest(cls) | {name: 10**25}
            elif isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from ((inner, smallest(cls) | {name: [huge]}) for inner, huge in with_huge_numbers(part))


@pytest.mark.parametrize("cls", EVENT_TYPES.values(), ids=EVENT_TYPES.keys())
def test_no_whole_number_is_too_large_to_be_encoded_again(cls: type[Event]) -> None:
    for field, huge in with_huge_numbers(cls):
        raw = msgspec.json.encode({"type": TYPE_OF[cls], **huge})
        with pytest.raises(InvalidEvent) as raised:
            check_time(decode_event(raw).occurred_at_ms, ms(0))
        at_time = field == "occurred_at_ms"
        assert raised.value.reason == ("bad_timestamp" if at_time else "bad_field"), (field, raised.value.detail)
        assert field in raised.value.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("end_ms", ms(1), id="no time at all"),
        pytest.param("end_ms", ms(0), id="a span that ends before it begins"),
        pytest.param("end_ms", ms(1) + 367 * 86_400_000, id="more than a year"),
        pytest.param("start_ms", 0, id="a start in 1970"),
        pytest.param("volume", 1e300, id="more contacts than there are people"),
    ],
)
def test_a_forecast_that_cannot_be_meant_is_rejected(field: str, value: float) -> None:
    cls = EVENT_TYPES["forecast.published"]
    with pytest.raises(InvalidEvent) as raised:
        decode_event(msgspec.json.encode({"type": "forecast.published", **smallest(cls), field: value}))
    assert raised.value.reason == "bad_field"
    assert field in raised.value.detail


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
    ("at_ms", "wrong"),
    [
        pytest.param(631_152_000_000, None, id="1990 begins"),
        pytest.param(631_151_999_999, "bad_timestamp: .* before 1990", id="before 1990"),
        pytest.param(ms(0) + 366 * 86_400_000, None, id="a year ahead"),
        pytest.param(ms(0) + 366 * 86_400_000 + 1, "bad_timestamp: .* in the far future", id="further ahead"),
    ],
)
def test_a_time_no_clock_could_show_is_refused(at_ms: int, wrong: str | None) -> None:
    if wrong is None:
        check_time(at_ms, ms(0))
    else:
        with pytest.raises(InvalidEvent, match=wrong):
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
