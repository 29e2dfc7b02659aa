"""Does Kafka let us in? Asked before clients are made that would only say, much later, that nobody answered."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from service.errors import FailedError

TIMEOUT_MS: Final = 10_000


def check_entry(addresses: list[str], client: Mapping[str, Any]) -> None:
    """Raise FailedError with the reason if a broker answers and refuses us. `client` is settings of any Kafka client.

    Not to be called where an event loop runs.
    """
    for address in addresses:
        try:
            asyncio.run(_enter(address, client))
        except ssl.SSLCertVerificationError as error:
            raise FailedError(f"TLS with Kafka at {address} fails: {error.verify_message}: see --kafka-ca") from None
        except ssl.SSLError as error:
            raise FailedError(f"TLS with Kafka at {address} fails: {error.reason or error}") from None
        except (OSError, TimeoutError):
            continue  # not there, which is another matter
        except KafkaError as error:
            raise FailedError(_refusal(address, client, error)) from None
        return


async def _enter(address: str, client: Mapping[str, Any]) -> None:
    host, _, port = address.strip().rpartition(":")
    connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=TIMEOUT_MS, **client)
    connection.close()


def _refusal(address: str, client: Mapping[str, Any], error: KafkaError) -> str:
    user = client.get("sasl_plain_username")
    if user is not None and "uthentication" in f"{type(error).__name__} {error}":
        return f"Kafka at {address} refuses {user}: the name or the password of --kafka-password-file is wrong"
    if client["security_protocol"].endswith("SSL"):
        return f"Kafka at {address} ends the TLS connection: it wants --kafka-cert, or does not trust that certificate"
    return f"Kafka at {address} ends the connection: see --kafka-security-protocol ({error})"
