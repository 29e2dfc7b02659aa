"""A glance at a stored agent sees the queues that reading all of it shows."""

import random

import msgspec
import pytest

from service.domain.agent_glance import live_read, queues_told
from service.domain.own_side import Own
from service.domain.scopes import DECODERS
from service.domain.view import queues_served
from tests.unit.api.floors import Centre
from tests.unit.api.test_floor_state import busy


def test_a_glance_at_a_stored_agent_sees_the_queues_that_reading_all_of_it_shows() -> None:
    centre, rng, seen = Centre(), random.Random(4), set[tuple[str, ...]]()
    for number in range(60):
        busy(centre, rng, f"c{number}")
        centre.flush()
    for key, value in centre.records:
        if key.startswith(b"l|") and b"|agent:" in key and value is not None:
            served = queues_served(DECODERS["agent"].decode(value).record)
            assert queues_told(value) == served
            whole = DECODERS["agent"].decode(value)
            assert live_read(value) == msgspec.structs.replace(
                whole, record=msgspec.structs.replace(whole.record, base=Own(), events=[])
            )
            seen.add(served)
    assert len(seen) > 3


@pytest.mark.parametrize("value", [b"", b"\x90", msgspec.msgpack.encode(["no", "such", "value"])])
def test_what_is_no_agent_shows_nothing(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        queues_told(value)


def test_an_agent_of_whom_nothing_is_stored_yet_is_read_as_one_who_is_new() -> None:
    assert live_read(b"\x90") == DECODERS["agent"].decode(b"\x90")
