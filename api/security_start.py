"""What has to be right before the API listens: tokens where others can reach it, and a certificate that can be used."""

import ipaddress
import logging
import ssl
from collections.abc import Callable
from typing import Any

from service.errors import UsageError
from service.settings import ProcessSettings
from service.tokens import Tokens

log = logging.getLogger(__name__)


def open_tokens(settings: ProcessSettings, wall_ms: Callable[[], int]) -> Tokens | None:
    """Return the tokens to ask for; None asks for none. Raises UsageError for a wrong file, or where one has to be."""
    if settings.tokens is not None:
        return Tokens(settings.tokens, wall_ms)
    if not is_loopback(settings.host):
        raise UsageError(
            f"without tokens the API serves everything to everybody, so it listens on 127.0.0.1 only, not on "
            f"{settings.host}: make one with `floorwalker token create` and name the file with --tokens"
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address; of names only `localhost` is known to be such a one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_options(settings: ProcessSettings) -> dict[str, Any]:
    """Return uvicorn's options for TLS; none without a certificate. Raises UsageError for one that cannot be used."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return {}
    if cert is None or key is None:
        raise UsageError("--tls-cert and --tls-key belong together: give both or neither")
    for path in (cert, key):
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file, and TLS needs it")
    try:
        # uvicorn reads them later, and would ask a terminal for the password of an encrypted key
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: b"")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise UsageError(f"{cert} and {key}: not a certificate and its unencrypted key in PEM ({reason})") from None
    return {"ssl_certfile": cert, "ssl_keyfile": key}
