"""Metric families as text: Prometheus's own format, or OpenMetrics where it is asked for.

The library's writers check every label of every sample anew, four fifths of a scrape's time; the names here are ours,
and only what stands in a label needs care.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
SAMPLES_A_TURN: Final = 2_000


def content_type_for(accept: str) -> str:
    """The format that a client with this Accept header is given."""
    return OPEN_METRICS if choose_encoder(accept)[1].startswith("application/openmetrics-text") else TEXT


async def written(families: Iterable[Metric], content_type: str) -> AsyncIterator[bytes]:
    """The text in parts, with other requests given their turn in between."""
    made = list(families)
    gauges = {family.name for family in made if family.type == "gauge"}
    escaped: dict[str, str] = {}
    for family in made:
        yield _head(family, gauges, content_type).encode()
        for start in range(0, len(family.samples), SAMPLES_A_TURN):
            yield _lines(family, start, escaped).encode()
            await asyncio.sleep(0)
    if content_type == OPEN_METRICS:
        yield b"# EOF\n"


def _head(family: Metric, gauges: set[str], content_type: str) -> str:
    """Help and type.

    A counter of OpenMetrics is called by its name without `_total`, which no other family may have:
    `floorwalker_queue_offered` is a gauge, too. Such a counter goes as `unknown` there, by its full name.
    """
    name, type_ = family.name, family.type
    if type_ == "counter" and content_type == TEXT:
        name += "_total"
    elif type_ == "counter" and name in gauges:
        name, type_ = name + "_total", "unknown"
    documentation = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
    if content_type == OPEN_METRICS:
        documentation = documentation.replace('"', r"\"")
    return f"# HELP {name} {documentation}\n# TYPE {name} {type_}\n"


def _lines(family: Metric, start: int, escaped: dict[str, str]) -> str:
    """The lines of some samples. `escaped`: label values as they are written, kept over a scrape."""
    lines = []
    for sample in family.samples[start : start + SAMPLES_A_TURN]:
        pairs = []
        for name, value in sample.labels.items():
            text = escaped.get(value)
            if text is None:
                text = escaped[value] = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
            pairs.append(f'{name}="{text}"')
        labels = f"{{{','.join(pairs)}}}" if pairs else ""
        lines.append(f"{sample.name}{labels} {float(sample.value)!r}\n")
    return "".join(lines)
