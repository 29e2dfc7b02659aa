"""Python's garbage collector, set for processes that hold millions of long-lived objects."""

import gc


def tune_collector(young: int = 50_000, rounds: int = 20) -> None:
    """Collect young objects when there are `young` more of them, the survivors every `rounds` such collections, and the
    oldest generation never by itself.

    State lives long and holds no cycles. Walking all of it took a quarter of the time even with rare full collections
    (measured with 20,000 contacts in flight); what frameworks leave in cycles is small and dies young. `young * rounds`
    objects are walked in one pause: a million take 25 to 60 ms.
    """
    gc.set_threshold(young, rounds, 1_000_000)
