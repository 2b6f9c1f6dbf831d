"""Notices that files have changed, by looking at them now and then: the same on every system, over a network share too."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_logger = logging.getLogger("toolguard")

State = tuple[tuple[str, int, int, int], ...]


class Watcher:
    """Calls `on_change` once `files()`, or what is in them, has changed and then kept still for one interval.

    Keeping still matters: the first half of a policy that is being written can be a policy too, one with fewer rules.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], on_change: Callable[[], object], interval: float) -> None:
        self._files, self._on_change, self._interval = files, on_change, interval
        self._stopped = threading.Event()
        self._known = state_of(files())
        self._thread = threading.Thread(target=self._run, name="toolguard-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns once a look that is under way has ended."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        last = self._known
        while not self._stopped.wait(self._interval):
            try:
                now = state_of(self._files())
                if now == last and now != self._known:
                    self._known = now
                    self._on_change()
                last = now
            except Exception:  # what was in force stays in force, and the next change is another chance
                _logger.exception("changed policies were refused; those in force stay")


def state_of(files: Iterable[Path]) -> State:
    """What tells one state of these files from another; a file that cannot be looked at counts as it is: gone."""
    found = []
    for path in files:
        try:
            status = path.stat()
            found.append((str(path), status.st_ino, status.st_size, max(status.st_mtime_ns, status.st_ctime_ns)))
        except OSError:
            found.append((str(path), 0, 0, 0))
    return tuple(found)
