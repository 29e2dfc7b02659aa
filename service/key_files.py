"""Files of secret keys by name, as YAML: `k1: BASE64`, or `k2: {key: BASE64, valid_from: MOMENT}`. Nothing that is said
about them shows a secret.
"""

import base64
import binascii
import re
from pathlib import Path
from typing import Any, Final

from service.config_source import ConfigError, Source, read_source
from service.domain.customer_keys import CustomerKey, CustomerKeys
from service.errors import UsageError
from service.timetext import parse_moment_ms

LEAST_BYTES: Final = 16
AES_BYTES: Final = (16, 24, 32)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


def read_customer_keys(path: Path) -> CustomerKeys:
    """The keys of customers' numbers. All but the first must say from when on they hold. Raises UsageError."""
    source = _read(path)
    keys: list[CustomerKey] = []
    for name, value in source.values.items():
        key, since = (value, None) if not isinstance(value, dict) else (value.get("key"), value.get("valid_from"))
        if isinstance(value, dict) and not value.keys() <= {"key", "valid_from"}:
            raise _wrong(source, name, "has more than `key` and `valid_from`")
        secret = _secret(source, name, key)
        if len(secret) < LEAST_BYTES:
            raise _wrong(source, name, f"has {len(secret)} bytes: take at least {LEAST_BYTES}, better 32")
        keys.append(CustomerKey(name, secret, _since_ms(source, name, since, first=not keys)))
    for before, after in zip(keys, keys[1:], strict=False):
        if after.valid_from_ms <= before.valid_from_ms:
            raise _wrong(source, after.name, f"is not in force later than {before.name}, which stands before it")
    return CustomerKeys(keys)


def read_secrets(path: Path) -> dict[str, bytes]:
    """The keys that encrypt dead letters, by name; the last one is for what is new. Raises UsageError."""
    source = _read(path)
    secrets = {name: _secret(source, name, value) for name, value in source.values.items()}
    for name, secret in secrets.items():
        if len(secret) not in AES_BYTES:
            raise _wrong(source, name, f"has {len(secret)} bytes: AES takes 16, 24 or 32")
    return secrets


def _read(path: Path) -> Source:
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file of keys")
    source = read_source(path)
    if source.problems:
        raise ConfigError(source.sentences())
    if not source.values:
        raise UsageError(f"{path}: has no key: write lines such as `k1: BASE64`")
    for name in source.values:
        if not _NAME.fullmatch(name):
            raise _wrong(source, name, "is no name of a key: use up to 32 letters, digits, - and _")
    return source


def _secret(source: Source, name: str, text: Any) -> bytes:
    try:
        if not isinstance(text, str):
            raise ValueError
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _wrong(source, name, "is not base64: make one with `openssl rand -base64 32`") from None


def _since_ms(source: Source, name: str, text: Any, first: bool) -> int:
    if text is None:
        if first:
            return 0
        raise _wrong(source, name, "needs `valid_from`: the moment from which events are hashed with it")
    try:
        return parse_moment_ms(str(text), "UTC")
    except ValueError as error:
        raise _wrong(source, name, f"valid_from {error}") from None


def _wrong(source: Source, name: str, what: str) -> UsageError:
    return UsageError(f"{source.place((name,))}: key {name} {what}")
