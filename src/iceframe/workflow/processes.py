"""Worker processes: one thread each, quiet, and never left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from iceframe.core.errors import InputError, UsageError

MOST_WORKERS = 8  # memory grows with each; --workers goes beyond


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that numbers do not depend on how many workers there are."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def start_worker() -> None:
    """What every worker process does first."""
    import warnings

    warnings.simplefilter("ignore")  # the parent process reports what matters
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    parent = os.getppid()

    def watch_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)  # the run was killed: leave nothing running behind it

    threading.Thread(target=watch_parent, daemon=True).start()


def worker_died(kept: str) -> InputError:
    """The error for a process that ended without a word; ``kept`` names what is not lost."""
    return InputError(
        "A worker process was killed from outside, most often for lack of memory.",
        hint=f"run the same command again with fewer --workers; {kept} are kept",
    )


def number_of_workers(asked: int | None, most: int = MOST_WORKERS) -> int:
    """The number asked for, else one a usable core.

    Raises
    ------
    UsageError : less than one.
    """
    if asked is not None:
        if asked < 1:
            raise UsageError("Too few workers.", got=asked, allowed="1 or more")
        return asked
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(usable or 1, most)
