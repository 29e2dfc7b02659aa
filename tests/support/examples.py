"""How many examples a property test tries."""

import os

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
"""True in `make test-long`: other examples every time, and a hundred times as many."""


SHORT = os.environ.get("HYPOTHESIS_PROFILE") == "mutation"
"""True in `make mutation`, which asks the laws a thousand times whether they notice something."""


def examples(usual: int) -> int:
    """The number of examples for this run."""
    return usual * 100 if LONG else usual // 5 if SHORT else usual
