"""One target under atheris: `python -m tests.fuzz.one TARGET [libFuzzer's options and corpus]`."""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["service", "api"]):
    from tests.fuzz.targets import TARGETS


def main(words: list[str]) -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    program, target, *options = words
    logging.getLogger("service").setLevel(logging.CRITICAL)  # what cannot be read is told in a log
    atheris.Setup([program, *options], TARGETS[target].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
