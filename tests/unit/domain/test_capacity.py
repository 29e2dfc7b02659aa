"""How many contacts an agent can still take."""

import pytest

from service.domain.capacity import count_contacts, free_capacity
from service.domain.facts import CONNECTED, RESERVING, WRAPPING

CHATS_AND_MAIL = {"chat": 3, "email": 5}


@pytest.mark.parametrize(
    ("channel", "contacts", "free"),
    [
        pytest.param("chat", {}, 3, id="idle"),
        pytest.param("chat", {"chat": 2}, 1, id="one chat more"),
        pytest.param("chat", {"chat": 3}, 0, id="full"),
        pytest.param("chat", {"chat": 4}, 0, id="more than full"),
        pytest.param("chat", {"email": 5}, 3, id="mail does not take the room of chats"),
        pytest.param("chat", {"voice": 1}, 0, id="a call takes the whole agent"),
        pytest.param("voice", {}, 1, id="a call for an idle agent"),
        pytest.param("voice", {"chat": 1}, 0, id="no call beside a chat"),
        pytest.param("voice", {"chat": 0}, 1, id="a chat that is over"),
    ],
)
def test_contacts_of_shared_channels_fit_side_by_side(channel, contacts, free):
    assert free_capacity(channel, CHATS_AND_MAIL, contacts) == free


LIFE = [
    [(0, RESERVING, 1)],
    [(5, RESERVING, -1), (5, CONNECTED, 1)],
    [(60, CONNECTED, -1), (60, WRAPPING, 1)],
    [(90, WRAPPING, -1)],
]


def test_a_contact_takes_its_room_from_the_offer_to_the_end_of_after_call_work():
    contacts: dict[str, int] = {}
    counts = []
    for moves in LIFE:
        count_contacts(contacts, "chat", moves)
        counts.append(contacts.get("chat", 0))
    assert counts == [1, 1, 1, 0]
    assert contacts == {}, "nothing is kept of channels without contacts"


def test_moves_count_in_any_order():
    contacts: dict[str, int] = {}
    for moves in reversed(LIFE[:3]):
        count_contacts(contacts, "chat", moves)
    assert contacts == {"chat": 1}


def test_after_call_work_of_a_stated_length_takes_no_room():
    contacts = {"chat": 1}
    count_contacts(contacts, "chat", [(60, CONNECTED, -1), (60, WRAPPING, 1), (90, WRAPPING, -1)])
    assert contacts == {}
