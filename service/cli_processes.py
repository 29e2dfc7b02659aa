"""`floorwalker worker` and the other commands that run until they are stopped: their options are process settings."""

import argparse
from collections.abc import Callable

from service.cli import Command
from service.cli_common import add_config, add_setting, read_config, read_settings
from service.config import Config
from service.errors import UsageError
from service.privacy import INGESTING
from service.settings import KAFKA, ProcessSettings

Start = Callable[[ProcessSettings, Config], int]

COMMON = ("bootstrap", *KAFKA, "application_id", "data_dir", "log_level")
WORKER = (*COMMON, "embedded", "session_timeout_seconds", "metrics_host", "metrics_port", *INGESTING)
API = (*COMMON, "host", "port", "tokens", "tls_cert", "tls_key", "clock")


def process_command(name: str, help_: str, options: tuple[str, ...], start: Start) -> Command:
    """Return the command that calls `start` with the settings of command line, environment and configuration."""

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        add_config(parser)
        for option in options:
            add_setting(parser, option)

    def run(args: argparse.Namespace) -> int:
        config = read_config(args)
        settings = read_settings(args, config)
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{settings.data_dir}: the data directory cannot be made: {error.strerror}") from None
        return start(settings, config)

    return Command(name, help_, add_arguments, run)
