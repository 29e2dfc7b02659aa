"""Reading `cti.dead-letter` from the command line, and sending what is in it to where it came from again."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kafka import TopicPartition

from service.errors import FailedError
from service.event_producer import EventProducer
from service.ingest import DEAD_LETTERS
from service.sealing import ENCRYPTED, MASKED, Sealer
from service.topic_reading import reading, until_the_end
from service.topics import Topic, describe_topics

EVENTS: Final = "cti.events"
FACTS: Final = "cti.facts"
REPLAYED_FROM: Final = "replayed_from"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One rejected record. `about` has the headers: `reason`, `detail`, `source_topic`, `traceback`, ..., as text."""

    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes
    about: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Partition and offset, as `--offset` takes them."""
        return f"{self.partition}:{self.offset}"

    @property
    def origin(self) -> str:
        """Where the record came from: a place of a topic, or a line of a file."""
        if topic := self.about.get("source_topic"):
            return f"{topic} {self.about.get('source_partition')}:{self.about.get('source_offset')}"
        return f"{self.about.get('file', 'standard input')}:{self.about.get('line', '?')}"

    def hindrance(self) -> str | None:
        """Why it cannot be sent again; None if it can."""
        if "source_topic" not in self.about:
            return "came from a recording: ingest that again"
        if ENCRYPTED in self.about:
            return "is encrypted: name the file with its key by --dead-letter-key-file"
        if MASKED in self.about:
            return "was masked when it was rejected, so its original is not here (docs/privacy.md)"
        if "cut_from" in self.about:
            return "was cut to 1 MiB"
        if self.about["source_topic"] == FACTS:
            return "is a fact, which is applied once or never: `floorwalker rebuild` applies all anew"
        return None


def unsealed(letter: DeadLetter, sealer: Sealer) -> DeadLetter:
    """The letter decrypted; as it is if it need not be, or the key is not there. Raises FailedError for a wrong key."""
    name = letter.about.get(ENCRYPTED)
    opened = None if name is None else sealer.open(name, letter.value)
    if opened is None:
        return letter
    about = {header: text for header, text in letter.about.items() if header != ENCRYPTED}
    return replace(letter, key=opened[0], value=opened[1], about=about)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are meant; None and the empty set: any."""

    reason: str | None = None
    topic: str | None = None
    places: frozenset[str] = frozenset()

    def has(self, letter: DeadLetter) -> bool:
        """Whether this is one of them."""
        return (
            self.reason in (None, letter.about.get("reason"))
            and self.topic in (None, letter.about.get("source_topic"))
            and (not self.places or letter.place in self.places)
        )


def read_dead_letters(bootstrap: str, wanted: Wanted, client: Mapping[str, Any] | None = None) -> Iterator[DeadLetter]:
    """Yield all that are there now and wanted, partition by partition in no order. Raises FailedError."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters arrives here as an exception
    found = {topic.name: topic for topic in describe_topics(bootstrap, client=client)}[DEAD_LETTERS]
    if found.partitions is None:
        raise FailedError(f"{bootstrap} lacks {DEAD_LETTERS}: run `floorwalker topics create` first")
    with reading(
        bootstrap, [TopicPartition(DEAD_LETTERS, number) for number in range(found.partitions)], client
    ) as consumer:
        for record in until_the_end(consumer):
            letter = letter_of(record)
            if wanted.has(letter):
                yield letter


def letter_of(record: Any) -> DeadLetter:
    """The dead letter that a record of the topic (kafka-python's) is."""
    about = {name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
    return DeadLetter(record.partition, record.offset, record.timestamp, record.key, record.value or b"", about)


def replay(bootstrap: str, letters: Sequence[DeadLetter], client: Mapping[str, Any] | None = None) -> None:
    """Send them to where they came from, each with its place in a header. Raises FailedError; nothing is sent if a
    topic is missing.
    """
    names = sorted({letter.about["source_topic"] for letter in letters})
    sources = [Topic(name, "where letters came from", {}) for name in names]
    reports = describe_topics(bootstrap, client=client, topics=sources)
    if missing := [topic.name for topic in reports if topic.partitions is None]:
        raise FailedError(f"{bootstrap} lacks {' and '.join(missing)}: nothing was replayed")
    counts = {topic.name: topic.partitions or 1 for topic in reports}
    with EventProducer(bootstrap, (), client) as producer:
        for letter in letters:
            headers = [(REPLAYED_FROM, letter.place.encode())]
            topic = letter.about["source_topic"]
            producer.send(topic, letter.key, letter.value, headers, _partition(letter, counts[topic]))
        producer.settle(at_most=0)


def _partition(letter: DeadLetter, count: int) -> int | None:
    """Where the record belongs in its topic, which may have been made anew with fewer partitions; None: its key decides
    that.
    """
    if letter.about["source_topic"] == EVENTS and letter.key is not None:
        return None
    return int(letter.about["source_partition"]) % count
