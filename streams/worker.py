"""`floorwalker worker`: one member of the group that turns events into state."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial

import mode.loop
from prometheus_client import CollectorRegistry

from service.adapters import ADAPTERS, AdapterSettings
from service.adapters.base import Adapter
from service.collector import tune_collector
from service.config import Config
from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.errors import FailedError, UsageError
from service.kafka_security import kafka_client
from service.notify.receivers import build_receivers
from service.privacy import customer_keys
from service.settings import ProcessSettings, aggregate_group
from service.state_schema import check_schema
from service.topics import TOPICS, Topic, describe_topics
from streams.batch_app import FloorwalkerApp
from streams.crash import EXIT_FAILED
from streams.evaluate import run_evaluator
from streams.helper_process import HelperProcess
from streams.misrouted import EVENTS
from streams.processors import CONTACTS, STATE, add_aggregate, add_correlate
from streams.router import FACTS
from streams.settings import app_of
from streams.shutdown import run_app
from streams.telemetry import Telemetry

NICENESS = 5
"""Of CORRELATE: where processors are short, those go first who have to finish what it began. Otherwise it runs ahead in
a backlog, and at the end AGGREGATE works alone beside an idle processor.
"""

log = logging.getLogger(__name__)


def correlate_app(settings: ProcessSettings, config: Config, telemetry: Telemetry) -> FloorwalkerApp:
    """The Faust app of DECODE and CORRELATE. `settings.partitions` must be the topics' own number."""
    app = app_of(settings, settings.application_id)
    make_store = partial(
        CorrelateStore,
        config.floor(),
        round(config.contact_linger_seconds * 1000),
        round(config.max_skew_seconds * 1000),
    )
    adapters = native_adapters(config)
    add_correlate(app, settings.partitions, make_store, adapters, telemetry, customer_keys(settings))
    return app


def aggregate_app(settings: ProcessSettings, config: Config, telemetry: Telemetry) -> FloorwalkerApp:
    """The Faust app of AGGREGATE, in a group of its own."""
    app = app_of(settings, aggregate_group(settings.application_id))
    add_aggregate(app, settings.partitions, partial(AggregateStore, config.floor()), telemetry)
    return app


def native_adapters(config: Config) -> dict[str, Adapter]:
    """Topic of native records -> its adapter, for the sources that name one."""
    found = {}
    for name, source in config.sources.items():
        if source.topic is not None:
            settings = AdapterSettings(name, source.timezone, source.agent_pattern, source.mapping)
            found[source.topic] = ADAPTERS[source.format](settings)
    return found


def check_topics(settings: ProcessSettings, native: Iterable[str]) -> ProcessSettings:
    """Return the settings with the partition count that the topics have. Raises FailedError if one is missing.

    `native` are the topics of the sources, which others create: without one its agent would wait for ever and say so
    nowhere.
    """
    wanted = [*TOPICS, *(Topic(name, "native records", {}) for name in native)]
    reports = {
        report.name: report
        for report in describe_topics(settings.bootstrap, client=kafka_client(settings), topics=wanted)
    }
    missing = {name for name, report in reports.items() if report.status == "missing"}
    if own := [topic.name for topic in TOPICS if topic.name in missing]:
        raise FailedError(f"topics {', '.join(own)} are missing: run `floorwalker topics create` first")
    if missing:
        raise FailedError(
            f"topics {', '.join(sorted(missing))} of the configured sources are missing: create them, or correct the "
            "sources' `topic`"
        )
    counts = {name: reports[name].partitions for name in (EVENTS, FACTS, CONTACTS, STATE)}
    if len(set(counts.values())) != 1:
        raise FailedError(
            f"topics must have equally many partitions, found {counts}: run `floorwalker rebuild`, or see "
            "`floorwalker topics describe`"
        )
    return settings.model_copy(update={"partitions": counts[EVENTS]})


def run(settings: ProcessSettings, config: Config) -> int:
    """Run until SIGTERM or Ctrl-C. Raises UsageError, FailedError before the start."""
    if sys.platform == "win32":
        raise UsageError("a worker needs Linux or macOS: signals and event loops of Windows are not supported")
    settings = check_topics(settings, native_adapters(config))
    check_schema(settings.bootstrap, settings.partitions, kafka_client(settings))
    build_receivers(config.notify)  # whoever cannot be told is named now, not by another process later
    aggregate = HelperProcess("aggregate", run_aggregate, settings, config, vital=True)
    evaluator = HelperProcess("evaluator", run_evaluator, settings, config, vital=False, beside=[aggregate])
    code: object = 0
    try:
        _correlate(settings, config, [aggregate, evaluator])
    except SystemExit as ended:  # so Faust's worker always ends
        code = ended.code
    finally:
        evaluator.stop()
        in_order = aggregate.stop()
    return 0 if in_order and not code else EXIT_FAILED


def _correlate(settings: ProcessSettings, config: Config, helpers: Sequence[HelperProcess]) -> None:
    telemetry = Telemetry()
    host, port = settings.metrics_host, settings.metrics_port
    if port is not None:
        try:
            telemetry.serve(host, port, helpers)
        except OSError as error:
            raise FailedError(f"cannot serve metrics on port {port} of {host}: {error.strerror}") from None
    tune_collector()
    mode.loop.use("uvloop")
    app = correlate_app(settings, config, telemetry)
    for helper in helpers:
        helper.attach(app)
    os.nice(NICENESS)
    log.info("worker starts on %s with %d partitions", settings.bootstrap, settings.partitions)
    run_app(app, settings.log_level)


def run_aggregate(settings: ProcessSettings, config: Config, registry: CollectorRegistry) -> None:
    """Add facts up until SIGTERM or Ctrl-C; metrics go to the registry."""
    tune_collector()
    mode.loop.use("uvloop")
    run_app(aggregate_app(settings, config, Telemetry(registry)), settings.log_level)
