"""What is said of JSON that is no event at all."""

import pytest

from service.domain.codec import decode_event
from service.domain.errors import InvalidEvent


@pytest.mark.parametrize("raw", [b"[]", b'["an", "array"]', b"17", b'"text"', b"null"])
def test_json_that_is_no_object_is_bad_json(raw: bytes) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode_event(raw)
    assert caught.value.reason == "bad_json"


def test_a_field_of_the_wrong_type_is_a_bad_field() -> None:
    visit = b'"contact_id": "k", "visit_id": "v", "queue_id": 1'
    raw = b'{"type": "visit.queued", "event_id": "e", "occurred_at_ms": 1, %s}' % visit
    with pytest.raises(InvalidEvent) as caught:
        decode_event(raw)
    assert (caught.value.reason, "queue_id" in caught.value.detail) == ("bad_field", True)
