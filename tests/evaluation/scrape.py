"""How long a scrape of a large floor takes: `python -m tests.evaluation.scrape [QUEUES AGENTS]`.

Every queue has had calls in the last minutes, every third has somebody waiting, every agent serves two queues. Each row
is the second of two scrapes through the whole application: the first fills the windows, as the first one after a start.
"""

from __future__ import annotations

import asyncio
import sys
import time

from api.settings import ApiSettings
from service.console import print_line
from tests.unit.api.floors import Centre, get


def floor(queues: int, agents: int) -> Centre:
    """Such a floor."""
    centre = Centre()
    for number in range(agents):
        serves = (f"q{number % queues}", f"q{(number + 1) % queues}")
        centre.agent_state(f"a{number}", "ready", ago_ms=1_800_000, queues=serves)
    for number in range(queues):
        for call in range(3):
            agent = f"a{number % agents}" if agents and call < 2 else None
            centre.call(f"c{number}-{call}", f"q{number}", agent=agent, ago_ms=300_000, wait_ms=9_000 + call)
        if number % 3 == 0:
            centre.queued(f"w{number}", f"q{number}", ago_ms=5_000)
    centre.flush()
    return centre


def scrape(centre: Centre, *, agents: bool, encoding: str) -> tuple[float, float, int, int]:
    """Seconds, processor seconds (the receiver's, who unpacks, among them), samples, bytes of the text."""
    app = centre.app(ApiSettings(agent_series=agents))
    for _ in range(2):
        started, used = time.monotonic(), time.process_time()
        answer = asyncio.run(get(app, "/metrics", {"Accept-Encoding": encoding}))
        took, cpu = time.monotonic() - started, time.process_time() - used
    samples = sum(not line.startswith("#") for line in answer.text.splitlines())
    return took, cpu, samples, len(answer.content)


def main(words: list[str]) -> None:
    """Measure a tenth of the floor and all of it, with and without series of agents, and print a line each."""
    queues, agents = (int(word) for word in words) if words else (5_000, 10_000)
    for part in (10, 1):
        centre = floor(queues // part, agents // part)
        for with_agents in (False, True):
            for encoding in ("identity", "gzip"):
                took, cpu, samples, size = scrape(centre, agents=with_agents, encoding=encoding)
                print_line(
                    f"{queues // part} queues, {agents // part} agents {'with' if with_agents else 'without'} series, "
                    f"{encoding}: {took:.2f} s, processor {cpu:.2f} s, {samples} samples, {size / 1e6:.1f} MB"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
