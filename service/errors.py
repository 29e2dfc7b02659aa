"""What ends a command: one clear sentence for the user, and by its class the exit code."""


class UsageError(Exception):
    """Wrong usage, configuration or platform (exit code 2). The text names what and where, and what would be right."""


class FailedError(Exception):
    """The command was right but could not be done (exit code 1). The text says why and what to do."""
