"""How many examples a property test tries."""

import os

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
"""True in `make test-long`: other examples every time, and a hundred times as many."""


def examples(usual: int) -> int:
    """The number of examples for this run."""
    return usual * 100 if LONG else usual
