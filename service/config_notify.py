"""Who is told of alerts: the section `notify`. Secrets stand in files of their own, never in the configuration."""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from service.config_section import Section
from service.config_source import Location
from service.domain.alert_record import Severity
from service.notify.webhooks import BodyKind

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\[\]-]{0,99}")


def parse_address(text: str) -> str:
    """Return the address. Raises ValueError, without the address, which may be a secret."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable or any(char.isspace() for char in text):
        raise ValueError("it is no address: write http://host:port/path or https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a password: put the whole address into a file and name that as url_file")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a name has 1 to 100 letters, digits and the characters . _ - :")
    return text


Address = Annotated[str, AfterValidator(parse_address)]
Name = Annotated[str, AfterValidator(_name)]
FilePath = Annotated[Path, Field(strict=False)]


class AlertmanagerConfig(Section):
    """One Alertmanager, or one member of a cluster of them. `name` null: after its host and port."""

    url: Address
    name: Name | None = None

    @property
    def receiver(self) -> str:
        """Its name as a receiver."""
        return self.name or f"alertmanager-{urlsplit(self.url).netloc}"


class WebhookConfig(Section):
    """One address that is told of alerts; `url_file` holds the address where that is itself a secret, as Slack's is.

    `secret_file` holds what requests are signed with; null: not signed. No `severities`, no `rules`: all of them.
    """

    name: Name
    url: Address | None = None
    url_file: FilePath | None = None
    body: BodyKind = "generic"
    secret_file: FilePath | None = None
    severities: list[Severity] = []
    rules: list[str] = []

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("exactly one of `url` and `url_file` says where to send to")
        return self


class NotifyConfig(Section):
    """Everybody who is told. `public_url`: where people reach the API, for links; null: links are routes."""

    public_url: Address | None = None
    alertmanager: list[AlertmanagerConfig] = []
    webhooks: list[WebhookConfig] = []

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.receiver for one in self.alertmanager] + [one.name for one in self.webhooks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two receivers have the name {twice[0]!r}: what one confirms would count for the other")
        return self


def rules_switched_off(config: NotifyConfig, off: Collection[str]) -> Iterator[tuple[Location, str]]:
    """Yield every rule that a webhook asks for and that is switched off: legal, but it is told of nothing."""
    for number, webhook in enumerate(config.webhooks):
        for rule in webhook.rules:
            if rule in off:
                yield ("webhooks", number, "rules"), f"{webhook.name} is to be told of {rule!r}, which is switched off"


def unknown_rules(config: NotifyConfig, known: Collection[str]) -> Iterator[tuple[Location, str]]:
    """Yield every rule that a webhook asks for and that does not exist: it would never be told of anything."""
    for number, webhook in enumerate(config.webhooks):
        for rule in webhook.rules:
            if rule not in known:
                near = get_close_matches(rule, known, n=1)
                hint = f": did you mean {near[0]!r}?" if near else ""
                yield ("webhooks", number, "rules"), f"{webhook.name} is to be told of {rule!r}, which is no rule{hint}"
