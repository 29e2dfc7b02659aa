"""Python's garbage collector, set for processes that hold millions of long-lived objects."""

import gc


def tune_collector() -> None:
    """Collect young objects seldom and the oldest generation never by itself.

    State lives long and holds no cycles. Walking all of it took a quarter of the time even with rare full collections
    (measured with 20,000 contacts in flight); what frameworks leave in cycles is small and dies young.
    """
    gc.set_threshold(50_000, 20, 1_000_000)
