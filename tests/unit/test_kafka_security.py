"""The settings of how Kafka is spoken to, and what every client is told of them."""

import ssl
from pathlib import Path
from typing import Any

import faust
import pytest

from service.errors import UsageError
from service.kafka_security import kafka_client
from service.settings import ProcessSettings
from streams.settings import credentials


def settings(**told: Any) -> ProcessSettings:
    return ProcessSettings(**{f"kafka_{name}": value for name, value in told.items()})


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("secret\n")
    return path


def test_without_settings_kafka_is_spoken_to_in_the_clear() -> None:
    assert kafka_client(settings()) == {}
    assert credentials({}) is None


def test_a_name_and_the_password_of_a_file_are_told_to_every_client(password: Path) -> None:
    client = kafka_client(settings(security_protocol="SASL_SSL", user="floor", password_file=password))
    context = client.pop("ssl_context")
    assert client == {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "floor",
        "sasl_plain_password": "secret",
    }  # fmt: skip
    assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
    found = credentials({**client, "ssl_context": context})
    assert isinstance(found, faust.SASLCredentials)
    assert (found.protocol.value, found.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"security_protocol": "SASL_SSL"}, "SASL_SSL needs --kafka-user and --kafka-password-file"),
        ({"security_protocol": "SASL_PLAINTEXT", "user": "floor"}, "needs --kafka-user and --kafka-password-file"),
        ({"security_protocol": "SASL_SSL", "user": "floor", "password_file": Path("/none")}, "/none: cannot be used"),
        ({"security_protocol": "SSL", "ca": Path("/none")}, "/none: cannot be used"),
        ({"security_protocol": "SSL", "cert": Path("/none")}, "/none: cannot be used"),
        ({"security_protocol": "SSL", "key": Path("/none")}, "--kafka-key needs --kafka-cert"),
    ],
)
def test_settings_that_do_not_fit_are_named(told: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        kafka_client(settings(**told))
