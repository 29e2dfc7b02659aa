"""`floorwalker worker` and the other commands that run until they are stopped: their options are process settings."""

import argparse
from collections.abc import Callable

from service.cli import Command
from service.cli_common import add_config, read_config, read_settings
from service.config import Config
from service.errors import UsageError
from service.settings import ProcessSettings

Start = Callable[[ProcessSettings, Config], int]

COMMON = ("bootstrap", "application_id", "data_dir", "log_level")
WORKER = (*COMMON, "embedded", "session_timeout_seconds", "metrics_port")
API = (*COMMON, "host", "port", "tokens", "tls_cert", "tls_key", "clock")


def process_command(name: str, help_: str, options: tuple[str, ...], start: Start) -> Command:
    """Return the command that calls `start` with the settings of command line, environment and configuration."""

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        add_config(parser)
        for option in options:
            _add_setting(parser, option)

    def run(args: argparse.Namespace) -> int:
        config = read_config(args)
        settings = read_settings(args, config)
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{settings.data_dir}: the data directory cannot be made: {error.strerror}") from None
        return start(settings, config)

    return Command(name, help_, add_arguments, run)


def _add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the option of one process setting; `load_settings` checks its value, as it does that of the variable."""
    field = ProcessSettings.model_fields[name]
    option = f"--{name.replace('_', '-')}"
    if field.annotation is bool:
        parser.add_argument(option, action="store_true", default=None, help=field.description)
    else:
        default = "" if field.default_factory or field.default is None else f" (default {field.default})"
        parser.add_argument(option, metavar="VALUE", help=f"{field.description}{default}")
