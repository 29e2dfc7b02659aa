"""`make fuzz`: every target for so many seconds, and a table of what came of it; inputs that failed are kept.

`python -m tests.fuzz.run [SECONDS] [TARGET ...]`. Exit code 1 when anything was found.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from service.compiled import SWITCH
from service.console import print_line
from service.domain.codec import EVENT_TYPES
from service.embedded import dying_with_parent
from tests.fuzz.targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "fuzz-found"
SECONDS = 60
HANG_S = 10
"""An input that takes longer is a hang."""

MEMORY_MIB = 2_048
EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
PROGRESS = re.compile(r"^#(\d+)\s", re.MULTILINE)
COVERED = re.compile(r"cov: (\d+)")
CRASH, HANG, NOTHING = "a crash", "a hang", "nothing"


def write_words(file: Path) -> None:
    """A dictionary for libFuzzer: words that it would be long in guessing."""
    words = {*EVENT_TYPES, *(f'"{name}":' for cls in EVENT_TYPES.values() for name in cls.__struct_fields__)}
    words |= {'"type":"', "NONE", "null", "ENTERQUEUE", "COMPLETEAGENT", "2026-11-22 12:00:00", "1795348800000"}
    escaped = (word.replace("\\", "\\\\").replace('"', '\\"') for word in sorted(words))
    file.write_text("".join(f'"{word}"\n' for word in escaped), "utf-8")


def fuzz(name: str, target: Target, seconds: int, folder: Path) -> str:
    """Run one target, print its line, and return what was found."""
    corpus = folder / name
    corpus.mkdir()
    for number, seed in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(seed)
    write_words(folder / "words")
    options = [f"-max_total_time={seconds}", f"-timeout={HANG_S}", f"-max_len={target.longest}"]
    options += [f"-rss_limit_mb={MEMORY_MIB}", f"-dict={folder / 'words'}", "-print_final_stats=1"]
    options += [f"-artifact_prefix={FOUND / name}-", str(corpus)]
    command = dying_with_parent([sys.executable, "-m", "tests.fuzz.one", name, *options])
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False,
        env={**os.environ, SWITCH: "0"},  # atheris sees where Python goes, not where C does
    )  # fmt: skip
    said = done.stdout + done.stderr
    what = NOTHING if done.returncode == 0 else HANG if "ERROR: libFuzzer: timeout" in said else CRASH
    executed = EXECUTED.findall(said) or PROGRESS.findall(said) or ["0"]
    covered = (COVERED.findall(said) or ["0"])[-1]
    print_line(f"{name:15} {seconds:7} s {int(executed[-1]):12,} {covered:>8}   {what}")
    if what != NOTHING:
        (FOUND / f"{name}.log").write_text(said, "utf-8")
        print_line(said[-3_000:])
    return what


def main(words: list[str]) -> int:
    """Fuzz the targets named, or all."""
    seconds = int(words[0]) if words else SECONDS
    names = words[1:] or list(TARGETS)
    FOUND.mkdir(exist_ok=True)
    print_line(f"{'target':15} {'time':>9} {'executions':>12} {'covered':>8}   found")
    with tempfile.TemporaryDirectory() as folder:
        found = [fuzz(name, TARGETS[name], seconds, Path(folder)) for name in names]
    if any(what != NOTHING for what in found):
        print_line(f"inputs and logs are in {FOUND}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
