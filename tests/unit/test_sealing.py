"""What is kept of rejected records: no customer's number, unless the operator wants the original."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import FailedError
from service.sealing import ENCRYPTED, MASKED, Sealer, mask

SECRETS = {"d1": bytes(16), "d2": bytes(range(32))}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("+4930901820", "+##########"),
        ("(030) 90 18 20-7", "(###) ## ## ##-#"),
        ("1795334430|c1|sales|NONE|ENTERQUEUE||0049.30.901820", "##########|c1|sales|NONE|ENTERQUEUE||####.##.######"),
        ('{"caller_id": "030/901820", "n": 4930901820', '{"caller_id": "###/######", "n": ##########'),
        ('{"customer_ref": "h: 030901820"}', '{"customer_ref": "h: 030901820"}'),
        (r'{"phone": "\u0034\u0039\u0033\u0030\u0039"}', r'{"phone": "#####"}'),
        ("٠٣٠٩٠١٨٢٠", "#########"),
        ("extension 8007, 12 times in 3600 s", "extension 8007, 12 times in 3600 s"),
    ],
)
def test_runs_of_more_than_four_digits_are_masked_however_they_are_written(text: str, kept: str) -> None:
    assert mask(text) == kept


@given(st.text(), st.from_regex(r"[+]?[0-9]{7,15}", fullmatch=True), st.text())
def test_a_telephone_number_never_comes_through(before: str, number: str, after: str) -> None:
    assert number.lstrip("+") not in mask(json.dumps({"before": before, "phone": number, "after": after}))


def test_what_says_which_event_it_was_stays_so_that_it_can_be_found_and_replayed() -> None:
    event = {
        "event_id": "poison-123456", "type": "visit.queued", "occurred_at_ms": 1_777_881_630_000,
        "contact_id": "4711/000815",
        "visit_id": "123456/1", "queue_id": "10001", "source": "pbx-100200", "wait_ms": 123456, "seq": 1234567,
        "customer_ref": "h:k1:00112233445566778899aabbccddeeff", "dnis": "08005550100",
    }  # fmt: skip
    raw = json.dumps(event).encode()
    sealed = Sealer().seal(b"0815", raw)
    assert (sealed.key, sealed.value, sealed.headers) == (b"0815", raw, [])


def test_a_number_in_the_place_of_a_time_is_masked() -> None:
    assert mask('{"occurred_at_ms": "4930901820"}') == '{"occurred_at_ms": "##########"}'


def test_masking_says_so_and_keeps_what_is_no_text() -> None:
    sealed = Sealer().seal(b"4930901820", b"\xff\x00 4930901820 \xe4")
    assert (sealed.key, sealed.value) == (b"##########", b"\xff\x00 ########## \xe4")
    assert [name for name, _ in sealed.headers] == [MASKED]


def test_the_original_is_kept_where_that_is_wanted() -> None:
    sealer = Sealer("original")
    sealed = sealer.seal(b"4930901820", b"4930901820")
    assert (sealed.key, sealed.value, sealed.headers) == (b"4930901820", b"4930901820", [])
    assert sealer.text("4930901820") == "4930901820"


def test_a_sentence_about_the_record_is_masked_even_beside_an_encrypted_one() -> None:
    for sealer in (Sealer(), Sealer("encrypted", SECRETS)):
        assert sealer.text("wait '4930901820' is no duration") == "wait '##########' is no duration"


@given(st.none() | st.binary(), st.binary())
def test_what_is_encrypted_comes_back_with_its_key_and_never_looks_the_same(key: bytes | None, value: bytes) -> None:
    sealer = Sealer("encrypted", SECRETS)
    sealed, again = sealer.seal(key, value), sealer.seal(key, value)
    assert sealed.key is None
    assert sealed.value != again.value
    assert sealed.headers == [(ENCRYPTED, b"d2")]
    assert Sealer("masked", SECRETS).open("d2", sealed.value) == (key, value)


def test_another_key_opens_nothing() -> None:
    sealed = Sealer("encrypted", SECRETS).seal(None, b"4930901820")
    assert Sealer().open("d2", sealed.value) is None
    with pytest.raises(FailedError, match="cannot be decrypted with the key d2"):
        Sealer("masked", {"d2": bytes(32)}).open("d2", sealed.value)
    with pytest.raises(FailedError):
        Sealer("masked", SECRETS).open("d2", b"short")


@pytest.mark.parametrize("unit", ["1234 ", '"contact_id": ', "\\u003", "1 - ", '"contact_id":"\\'])
def test_masking_takes_time_in_proportion_to_the_length(unit: str) -> None:
    def once(text: str) -> float:
        started = time.process_time()
        mask(text)
        return time.process_time() - started

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        return min(once(text) for _ in range(3))  # a full garbage collection may fall into one of them

    short, long = seconds(40_000), seconds(400_000)
    assert long < 40 * max(short, 0.001)
