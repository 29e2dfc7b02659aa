"""The receivers that the configuration names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from service.config_notify import NotifyConfig, WebhookConfig, parse_address
from service.errors import UsageError
from service.notify.alertmanager import Alertmanager
from service.notify.receiver import NotReady, Receiver
from service.notify.webhooks import Webhook, read_secret


def build_receivers(config: NotifyConfig) -> list[Receiver]:
    """Everybody who is to be told. Raises UsageError if a secret cannot be read: better now than at the first alert."""
    found: list[Receiver] = [Alertmanager(one.receiver, one.url, config.public_url) for one in config.alertmanager]
    for one in config.webhooks:
        try:
            found.append(_webhook(one, config.public_url))
        except NotReady as error:
            raise UsageError(f"notify.webhooks: {one.name}: {error}") from None
    return found


def _webhook(config: WebhookConfig, public_url: str | None) -> Webhook:
    read_url = _address(config)
    read_url()
    if config.secret_file is not None:
        read_secret(config.secret_file)
    return Webhook(
        config.name, read_url, config.body, config.secret_file, frozenset(config.severities), frozenset(config.rules),
        public_url,
    )  # fmt: skip


def _address(config: WebhookConfig) -> Callable[[], str]:
    if config.url_file is not None:
        return partial(_address_in, config.url_file)
    url = config.url or ""  # the configuration has made sure that one of the two is there
    return lambda: url


def _address_in(file: Path) -> str:
    try:
        return parse_address(read_secret(file))
    except ValueError as error:
        raise NotReady(f"{file}: {error}") from None
