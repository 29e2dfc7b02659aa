"""Ending the process when its state can no longer be trusted: the next one rebuilds it exactly from the topics."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn, ParamSpec, TypeVar

EXIT_FAILED = 1

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


def end_process(reason: str, error: BaseException | None = None) -> NoReturn:
    """Log the reason (and the error's traceback) and end this process now with exit code 1.

    `os._exit`, not an exception: Faust would restart the agent with the next batch, which leaves a gap, and an orderly
    stop would first write what must not be written.
    """
    log.critical("%s: the process ends, its successor continues from the topics", reason, exc_info=error)
    for handler in logging.getLogger().handlers + log.handlers:
        handler.flush()
    os._exit(EXIT_FAILED)


def crash_on_error(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Wrap a coroutine function (an agent, a writer's loop) so that any exception but cancellation ends the process."""

    @functools.wraps(function)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await function(*args, **kwargs)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            end_process(f"{function.__qualname__} failed with {type(error).__name__}", error)

    return guarded
