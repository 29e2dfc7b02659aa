"""What `report` and `ingest` share: which files, in which format, from which source, in which zone."""

import argparse
import time
from dataclasses import dataclass

from service.adapters import ADAPTERS, Adapter, AdapterSettings, make_adapter
from service.cli_common import zone
from service.config import Config
from service.config_sections import SourceConfig
from service.errors import UsageError

CALL_RECORDS = "call-records"


@dataclass(frozen=True, slots=True)
class Feed:
    """A recording's source: its id, its format and the zone of its naive times (None: it has none)."""

    source: str
    format: str
    timezone: str | None
    settings: AdapterSettings

    def adapter(self) -> Adapter:
        """Return a fresh adapter."""
        return make_adapter(self.format, self.settings)


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add FILE..., --format, --source and the zones."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings of one format; - is standard input")
    parser.add_argument("--format", required=True, choices=tuple(ADAPTERS), help="what the files are")
    parser.add_argument("--source", metavar="NAME", help="source of the configuration, where several have the format")
    parser.add_argument("--timezone", type=zone, metavar="ZONE", help="zone of days, and of times without a zone")
    parser.add_argument("--input-timezone", type=zone, metavar="ZONE", help="zone of times without a zone")


def feed_of(args: argparse.Namespace, config: Config) -> Feed:
    """Return the feed that the options and the configuration describe. Raises UsageError."""
    name, source = _source(config, args.format, args.source)
    mapping = source.mapping if source is not None else None
    if args.format == CALL_RECORDS and mapping is None:
        raise UsageError(
            "call-records need a column mapping: name a configuration with --config, "
            "for example one made after deploy/examples/vanad.yaml"
        )
    pattern = source.agent_pattern if source is not None else None
    own_zone = source.timezone if source is not None else None
    timezone = args.input_timezone or own_zone or args.timezone
    return Feed(name, args.format, timezone, AdapterSettings(name, timezone, pattern, mapping))


def _source(config: Config, format_name: str, wanted: str | None) -> tuple[str, SourceConfig | None]:
    """Return the source that was named, else the only one of the format, else none."""
    fitting = {name: source for name, source in config.sources.items() if source.format == format_name}
    if wanted is not None:
        if wanted not in fitting:
            raise UsageError(f"--source {wanted!r}: the configuration has {_list(fitting)} of the format {format_name}")
        return wanted, fitting[wanted]
    if len(fitting) > 1:
        raise UsageError(f"the configuration has {_list(fitting)} of the format {format_name}: choose with --source")
    return next(iter(fitting.items()), (format_name, None))


def _list(sources: dict[str, SourceConfig]) -> str:
    return f"the sources {', '.join(sources)}" if sources else "no source"


def clock_ms() -> int:
    """Return the wall clock, milliseconds UTC."""
    return time.time_ns() // 1_000_000
