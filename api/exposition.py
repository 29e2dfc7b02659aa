"""Metric families as text: Prometheus's own format, or OpenMetrics where it is asked for.

The library makes an object of each sample and checks every label of each anew, nine tenths of a scrape's time with
5,000 queues. Here a sample is a line as soon as it is known; the names are ours, and only label values need care.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, Literal

from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
LINES_A_TURN: Final = 5_000
Kind = Literal["gauge", "counter", "histogram"]


def labels_text(labels: Mapping[str, str]) -> str:
    """What stands between the braces of a sample's labels."""
    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


def escaped(text: str) -> str:
    """A label's value as it is written."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Family:
    """A metric with its samples, each of which is a line of `lines`."""

    __slots__ = ("_sample", "help", "kind", "lines", "name")

    def __init__(self, kind: Kind, name: str, help_: str) -> None:
        """`name` without `_total`, which the samples of a counter have."""
        self.kind, self.name, self.help = kind, name, help_
        self._sample = name + "_total" if kind == "counter" else name
        self.lines: list[str] = []

    def add(self, labels: str, value: float) -> None:
        """Add the sample with these labels (see `labels_text`; "" for none)."""
        self.lines.append(
            f"{self._sample}{{{labels}}} {float(value)!r}\n" if labels else f"{self._sample} {float(value)!r}\n"
        )

    def add_histogram(self, labels: str, buckets: Mapping[str, float], sum_: float) -> None:
        """Add the samples of one histogram; `buckets`: how many are at or below each edge, the last being +Inf."""
        name, comma = self.name, "," if labels else ""
        for edge, count in buckets.items():
            self.lines.append(f'{name}_bucket{{{labels}{comma}le="{edge}"}} {float(count)!r}\n')
        braced = f"{{{labels}}}" if labels else ""
        self.lines.append(f"{name}_count{braced} {float(buckets['+Inf'])!r}\n{name}_sum{braced} {float(sum_)!r}\n")


class Families:
    """Metric families of one scrape, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Kind], Family] = {}

    def gauge(self, name: str, help_: str) -> Family:
        """The gauge family."""
        return self._family("gauge", name, help_)

    def counter(self, name: str, help_: str) -> Family:
        """The counter family."""
        return self._family("counter", name, help_)

    def histogram(self, name: str, help_: str) -> Family:
        """The histogram family."""
        return self._family("histogram", name, help_)

    def _family(self, kind: Kind, name: str, help_: str) -> Family:
        found = self._made.get((name, kind))
        if found is None:
            found = self._made[name, kind] = Family(kind, name, help_)
        return found

    def __iter__(self) -> Iterator[Family]:
        """Every family that has samples."""
        return (family for family in self._made.values() if family.lines)


def cumulated(counts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Edge -> how many are at or below it, of how many there are between one edge and the next."""
    edges, values = zip(*counts, strict=True)
    return dict(zip(edges, accumulate(values), strict=True))


def content_type_for(accept: str) -> str:
    """The format that a client with this Accept header is given."""
    return OPEN_METRICS if choose_encoder(accept)[1].startswith("application/openmetrics-text") else TEXT


async def written(families: Iterable[Family], content_type: str) -> AsyncIterator[bytes]:
    """The text in parts, with other requests given their turn in between."""
    made = list(families)
    gauges = {family.name for family in made if family.kind == "gauge"}
    for family in made:
        yield _head(family, gauges, content_type).encode()
        for start in range(0, len(family.lines), LINES_A_TURN):
            yield "".join(family.lines[start : start + LINES_A_TURN]).encode()
            await asyncio.sleep(0)
    if content_type == OPEN_METRICS:
        yield b"# EOF\n"


def _head(family: Family, gauges: set[str], content_type: str) -> str:
    """Help and type.

    A counter of OpenMetrics is called by its name without `_total`, which no other family may have:
    `floorwalker_queue_offered` is a gauge, too. Such a counter goes as `unknown` there, by its full name.
    """
    name, type_ = family.name, str(family.kind)
    if type_ == "counter" and content_type == TEXT:
        name += "_total"
    elif type_ == "counter" and name in gauges:
        name, type_ = name + "_total", "unknown"
    documentation = family.help.replace("\\", r"\\").replace("\n", r"\n")
    if content_type == OPEN_METRICS:
        documentation = documentation.replace('"', r"\"")
    return f"# HELP {name} {documentation}\n# TYPE {name} {type_}\n"
