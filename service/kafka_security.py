"""How Kafka is spoken to: in the clear, with TLS, with a name and a password, or with a certificate of our own.

One set of options serves kafka-python and aiokafka; Faust's credentials are made of the same (`streams.settings`).
"""

import ssl
from pathlib import Path
from typing import Any

from service.errors import UsageError
from service.settings import ProcessSettings


def kafka_client(settings: ProcessSettings) -> dict[str, Any]:
    """What any Kafka client has to be told besides the address; empty: nothing. Raises UsageError."""
    protocol = settings.kafka_security_protocol
    found: dict[str, Any] = {"security_protocol": protocol}
    if protocol.startswith("SASL"):
        found |= _password(settings)
    if protocol.endswith("SSL"):
        found["ssl_context"] = _context(settings)
    return {} if protocol == "PLAINTEXT" else found


def _password(settings: ProcessSettings) -> dict[str, str]:
    if settings.kafka_user is None or settings.kafka_password_file is None:
        raise UsageError(f"{settings.kafka_security_protocol} needs --kafka-user and --kafka-password-file")
    try:
        password = settings.kafka_password_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(settings.kafka_password_file, error) from None
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_user,
        "sasl_plain_password": password,
    }


def _context(settings: ProcessSettings) -> ssl.SSLContext:
    """TLS that checks the broker's certificate and name; with our own certificate if there is one."""
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca)
    except (OSError, ssl.SSLError) as error:
        raise _unreadable(settings.kafka_ca, error) from None
    if settings.kafka_cert is not None:
        try:
            context.load_cert_chain(settings.kafka_cert, settings.kafka_key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _unreadable(settings.kafka_cert, error) from None
    elif settings.kafka_key is not None:
        raise UsageError("--kafka-key needs --kafka-cert, the certificate that it belongs to")
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, which is not supported")


def _unreadable(path: Path | None, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(f"{path}: cannot be used to speak to Kafka: {reason}")
