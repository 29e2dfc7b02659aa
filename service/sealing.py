"""What is kept of rejected records: the digits masked, the whole encrypted, or the original, by configuration."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from service.domain.codec import EVENT_TYPES
from service.errors import FailedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Keeping = Literal["masked", "encrypted", "original"]

MASKED: Final = "masked"
ENCRYPTED: Final = "encrypted_with"
"""Headers of dead letters: not the original any more; the name of the key that decrypts it."""

NONCE_BYTES: Final = 12
LONGEST_NUMBER: Final = 4
"""A run of more digits than this might be somebody's number."""

# our own ids, times and durations, and hashes: what tells which event it was
_FIELDS = {name for cls in EVENT_TYPES.values() for name in cls.__struct_fields__}
_IDS = "|".join(sorted(name for name in _FIELDS if name.endswith("_id")) + ["dnis", "corrects", "source", "site"])
_TIMES = "|".join(sorted(name for name in _FIELDS if name.endswith("_ms")) + ["seq"])
_KEPT = (
    rf'"(?:{_IDS})"\s*:\s*"(?:[^"\\]|\\.)*"|"(?:{_TIMES})"\s*:\s*-?\d{{1,16}}\b'
    r'|"customer_ref"\s*:\s*"h:[^"\\]*"|h:[\w-]{1,32}:[0-9a-f]{16,}\b'
)
_DIGIT = r"(?:\d|\\u003\d)"
_NUMBER = rf"{_DIGIT}(?:[ ./()-]{{0,3}}{_DIGIT}){{{LONGEST_NUMBER},}}"
_FOUND = re.compile(f"({_KEPT})|{_NUMBER}")
_DIGITS = re.compile(_DIGIT)

Headers = list[tuple[str, bytes]]


def mask(text: str) -> str:
    """The text with `#` for each digit of runs of more than four; spaces and `./()-` do not end a run.

    The values of canonical ids, times and durations in JSON stay, and so do customers' hashes.
    """
    return _FOUND.sub(lambda found: found[1] or _DIGITS.sub("#", found[0]), text)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Key and value as they may be kept, and what the headers must say about that."""

    key: bytes | None
    value: bytes
    headers: Headers


class Sealer:
    """Makes rejected records fit to be kept. `secrets` are for encrypting, with the last one, and for reading again."""

    def __init__(self, keeping: Keeping = "masked", secrets: Mapping[str, bytes] | None = None) -> None:
        self._keeping = keeping
        self._secrets = dict(secrets or {})

    def seal(self, key: bytes | None, value: bytes) -> Sealed:
        """A record's key and value as they may be kept."""
        if self._keeping == "original":
            return Sealed(key, value, [])
        if self._keeping == "encrypted":
            name = list(self._secrets)[-1]
            nonce = os.urandom(NONCE_BYTES)
            plain = msgspec.msgpack.encode((key, value))
            return Sealed(
                None, nonce + _aes(self._secrets[name]).encrypt(nonce, plain, None), [(ENCRYPTED, name.encode())]
            )
        kept_key, kept = None if key is None else _masked(key), _masked(value)
        return Sealed(kept_key, kept, [] if (kept_key, kept) == (key, value) else [(MASKED, b"yes")])

    def text(self, text: str) -> str:
        """A sentence about the record as it may be kept in a header: it may quote the record."""
        return text if self._keeping == "original" else mask(text)

    def open(self, name: str, value: bytes) -> tuple[bytes | None, bytes] | None:
        """Key and value of what was encrypted with that key; None: the key is not there. Raises FailedError."""
        secret = self._secrets.get(name)
        if secret is None:
            return None
        from cryptography.exceptions import InvalidTag  # here, as most processes do without

        try:
            plain = _aes(secret).decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            raise FailedError(f"a dead letter cannot be decrypted with the key {name}: it is another one") from None
        return msgspec.msgpack.decode(plain, type=tuple[bytes | None, bytes])


def _masked(raw: bytes) -> bytes:
    return mask(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _aes(secret: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)
