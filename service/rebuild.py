"""Fresh state from `cti.events`: the topics of the state are made anew and the workers' group goes back to the start.

Every step leaves something that workers refuse or that does no harm, so an interrupted run is run again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import IllegalGenerationError, NoError, RebalanceInProgressError, UnknownMemberIdError
from kafka.structs import OffsetAndMetadata

from service.errors import FailedError
from service.rekey import Rekeying
from service.settings import aggregate_group
from service.topics import (
    REMADE,
    TOPICS,
    Topic,
    connected_admin,
    create_topics,
    delete_topics,
    describe_topics,
    patiently,
)

EVENTS: Final = TOPICS[0]
FACTS: Final = next(topic for topic in TOPICS if topic.name == "cti.facts")
_MEMBERS: Final = (UnknownMemberIdError, RebalanceInProgressError, IllegalGenerationError)


class WorkersRun(FailedError):
    """The workers' group has members."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the workers have to read: `cti.events` from these offsets on, by partition."""

    begins: Mapping[int, int]


def rebuild(
    bootstrap: str, group: str, partitions: int | None = None, client: Mapping[str, Any] | None = None
) -> Rebuilt:
    """Make the state's topics anew and have the group read `cti.events` from its first record on.

    `partitions` None: as many as there are. With another number the topics that are kept are made anew as well, from
    their own records; nobody may write to them meanwhile. Raises WorkersRun before anything is deleted, FailedError.
    `client` is further settings of kafka-python.
    """
    count = partial(_partitions, bootstrap, client)
    with connected_admin(bootstrap, client) as admin:
        _go_back(admin, group, count(EVENTS), count(FACTS))
        rekeying = Rekeying(bootstrap, admin, client)
        rekeying.repeat_interrupted()
        wanted = partitions or count(EVENTS)
        if not wanted:
            raise FailedError(f"{bootstrap} lacks {EVENTS.name}: there is nothing to make the state from")
        rekeying.rekey(wanted)
        # before anything is deleted: state that is still there skips what it has
        begins = _go_back(admin, group, wanted, count(FACTS))
        replication = describe_topics(bootstrap, client=client, topics=[EVENTS])[0].replication or 1
        there = [report.name for report in describe_topics(bootstrap, client=client) if report.status != "missing"]
        delete_topics(admin, [name for name in there if name in REMADE])
    create_topics(bootstrap, wanted, replication, client=client)
    return Rebuilt(begins)


def _partitions(bootstrap: str, client: Mapping[str, Any] | None, topic: Topic) -> int:
    return describe_topics(bootstrap, client=client, topics=[topic])[0].partitions or 0


def _go_back(admin: KafkaAdminClient, group: str, partitions: int, fact_partitions: int) -> dict[int, int]:
    """Set the groups' offsets to where `cti.events` begins, which Kafka allows while nobody is in a group.

    Offsets of native topics stay: what was decoded is in `cti.events`. Raises WorkersRun.
    """
    events = {TopicPartition(EVENTS.name, number): OffsetSpec.EARLIEST for number in range(partitions)}
    found = patiently(lambda: admin.list_partition_offsets(events)) if events else {}
    begins = {tp.partition: at.offset for tp, at in found.items()}
    facts = [TopicPartition(FACTS.name, number) for number in range(fact_partitions)]
    _set(admin, group, {tp: begins[tp.partition] for tp in events})
    _set(admin, aggregate_group(group), dict.fromkeys(facts, 0))
    return begins


def _set(admin: KafkaAdminClient, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Set a group's offsets. Raises WorkersRun."""
    wanted = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
    answers: Mapping[Any, Any] = patiently(lambda: admin.alter_group_offsets(group, wanted)) if wanted else {}
    for error in answers.values():
        if error in _MEMBERS:
            raise WorkersRun(
                f"workers of the group {group!r} are running: stop all of them first (one that was killed counts "
                "until its session ends)"
            )
        if error is not NoError:
            raise FailedError(f"the offsets of the group {group!r} cannot be set: {error.__name__}")
