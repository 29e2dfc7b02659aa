"""Customers' numbers become keyed hashes, and never get further than where they come in."""

import hashlib
import hmac

import pytest

from service.domain.correlate import CorrelateStore
from service.domain.customer_keys import DROPPED, CustomerKey, CustomerKeys, protect
from service.domain.errors import REF_DROPPED, InvalidEvent
from service.domain.events import Event
from service.domain.settings import Floor
from service.domain.state_keys import class_scope
from tests.unit.domain.build import event, ms, take

NUMBER = "+49 30 901820"
OLD, NEW = CustomerKey("k1", b"first secret....", 0), CustomerKey("k2", b"second secret...", ms(100))
KEYS = CustomerKeys([OLD, NEW])


def queued(seconds: float = 0, contact_id: str = "c", ref: str | None = NUMBER) -> Event:
    return event("visit.queued", seconds, contact_id=contact_id, customer_ref=ref)


def moved(seconds: float, ref: str = NUMBER) -> Event:
    return event("customer.class_changed", seconds, customer_ref=ref, customer_class="vip")


def ref_of(told: Event, keys: CustomerKeys | None = KEYS) -> str | None:
    protect(told, keys, instead=None)
    return told.customer_ref  # type: ignore[attr-defined,no-any-return]


def test_a_number_becomes_its_hmac_under_the_name_of_the_key() -> None:
    digest = hmac.new(OLD.secret, NUMBER.encode(), hashlib.sha256).hexdigest()
    assert ref_of(queued()) == f"h:k1:{digest[:32]}"


def test_the_same_number_is_the_same_customer_and_another_key_makes_it_another() -> None:
    assert ref_of(queued(1)) == ref_of(queued(2, "other", f" {NUMBER} "))
    assert ref_of(queued(1)) != ref_of(queued(2, "other", "+49 30 901821"))
    assert ref_of(queued(1)) != ref_of(queued(1), CustomerKeys([NEW]))


@pytest.mark.parametrize(("seconds", "name"), [(-5, "k1"), (99.999, "k1"), (100, "k2"), (9_000, "k2")])
def test_the_event_s_own_time_chooses_the_key_so_that_a_replay_after_a_rotation_says_the_same(
    seconds: float, name: str
) -> None:
    assert (ref_of(queued(seconds)) or "").startswith(f"h:{name}:")
    if name == "k1":
        assert ref_of(queued(seconds)) == ref_of(queued(seconds), CustomerKeys([OLD]))


@pytest.mark.parametrize("ref", ["h:9c1e", "h:k0:00ff", "h:"])
@pytest.mark.parametrize("keys", [KEYS, None])
def test_what_is_hashed_already_stays(ref: str, keys: CustomerKeys | None) -> None:
    told = queued(ref=ref)
    assert not protect(told, keys, instead=None)
    assert ref_of(told, keys) == ref


@pytest.mark.parametrize("kind", ["contact.started", "visit.queued"])
def test_without_a_key_the_number_is_dropped_and_the_event_says_so(kind: str) -> None:
    told = event(kind, 0, customer_ref=NUMBER)
    assert protect(told, None, instead=DROPPED)
    assert protect(told, KEYS, instead=None), "a key that comes too late has nothing to hash"
    assert ref_of(told) is None


def test_nobody_is_no_number() -> None:
    for nobody in ("", None):
        assert not protect(queued(ref=nobody), None, instead=DROPPED)
        assert ref_of(queued(ref=nobody), KEYS) is None
    assert not protect(event("visit.answered", 0), None, instead=DROPPED)


def test_an_event_about_nothing_but_the_customer_is_refused_without_a_key() -> None:
    with pytest.raises(InvalidEvent, match="no_customer_key") as refused:
        protect(moved(0), None, instead=DROPPED)
    assert NUMBER not in str(refused.value)


class TestCorrelate:
    def test_events_of_the_source_count_without_the_customer_and_the_loss_is_a_finding(self) -> None:
        store = CorrelateStore(Floor())
        assert take(store, queued())
        take(store, queued(contact_id="c2", ref="h:9c1e"), 1)
        with pytest.raises(InvalidEvent):
            take(store, moved(5), 2)
        (seen,) = store.source_facts()
        assert seen.counts[REF_DROPPED] == 1
        assert seen.counts["rejected:no_customer_key"] == 1

    def test_a_number_at_the_door_and_one_hashed_before_are_one_customer(self) -> None:
        store = CorrelateStore(Floor(), customer_keys=KEYS)
        take(store, queued())
        hashed = moved(5)
        protect(hashed, KEYS, instead=None)
        assert class_scope("vip", "sales") in {fact.scope for fact in take(store, hashed, 1)}

    @pytest.mark.parametrize("keys", [KEYS, None])
    def test_nothing_that_is_stored_or_sent_has_the_number(self, keys: CustomerKeys | None) -> None:
        store = CorrelateStore(Floor(), customer_keys=keys)
        take(store, queued())
        if keys is not None:
            take(store, moved(5), 1)
        kept = b"".join(key + (value or b"") for key, value in store.drain())
        assert NUMBER.encode() not in kept
        assert all(copy.customer_ref.startswith("h:k1:") for copy in store.copies())
