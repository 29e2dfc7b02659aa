"""What the process settings say about customers' numbers and about what is kept of rejected records."""

from service.domain.customer_keys import CustomerKeys
from service.errors import UsageError
from service.key_files import read_customer_keys, read_secrets
from service.sealing import Sealer
from service.settings import ProcessSettings

INGESTING = ("customer_key_file", "dead_letters", "dead_letter_key_file")
"""The settings of processes that let events in."""


def customer_keys(settings: ProcessSettings) -> CustomerKeys | None:
    """The keys that hash customers' numbers; None: numbers are dropped. Raises UsageError."""
    return None if settings.customer_key_file is None else read_customer_keys(settings.customer_key_file)


def sealer(settings: ProcessSettings) -> Sealer:
    """What makes rejected records fit to be kept. Raises UsageError."""
    file = settings.dead_letter_key_file
    if settings.dead_letters == "encrypted" and file is None:
        raise UsageError("dead letters are to be encrypted: name the file of keys with --dead-letter-key-file")
    return Sealer(settings.dead_letters, None if file is None else read_secrets(file))
