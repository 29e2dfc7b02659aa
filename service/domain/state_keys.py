"""Keys of the state feed: one letter for the kind, the bucket, the scope. Values are msgpack of the kind's type."""

from typing import Final

SCHEMA: Final = 5
"""Version of the state values; a worker refuses another."""

PANE: Final = "p"
INTERVAL: Final = "i"
LIVE: Final = "l"
WAITING: Final = "w"
STRETCHES: Final = "t"
SOURCE: Final = "o"
RECENT: Final = "v"
FORECAST: Final = "f"
CUSTOMER: Final = "c"
PLAN: Final = "s"
MARK: Final = "m"


def encode_key(kind: str, bucket: int | str, scope: str) -> bytes:
    """`kind|bucket|scope`; the scope comes last since it may contain anything. For WAITING see `waiting_bucket`."""
    return f"{kind}|{bucket}|{scope}".encode()


def decode_key(key: bytes) -> tuple[str, str, str]:
    """(kind, bucket, scope) of a key."""
    kind, bucket, scope = key.decode().split("|", 2)
    return kind, bucket, scope


def class_scope(customer_class: str, queue_id: str) -> str:
    """The scope of one customer class in one queue; the length of the class tells where the queue begins."""
    return f"class:{len(customer_class)}:{customer_class}:{queue_id}"


def parts_of(scope: str) -> tuple[str | None, str]:
    """(class, id) of a scope; the class is None but for those of `class_scope`, whose id is the queue's."""
    kind, _, rest = scope.partition(":")
    if kind != "class":
        return None, rest
    length, _, rest = rest.partition(":")
    return rest[: int(length)], rest[int(length) + 1 :]


def other_schema(found: int) -> str:
    """What to tell about state that another version wrote."""
    return f"the state topics hold schema {found}, not {SCHEMA}: stop all workers and run `floorwalker rebuild`"
