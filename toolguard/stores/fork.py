"""A process forks only while none of its threads is inside SQLite, which would never come out of there in the child.

SQLite guards what all connections of a process share with locks of its own. A thread that holds one when another thread forks
is not there in the child, and the lock stays held: the child waits for ever, with the ledger's lock in its hands. So everything
we do in SQLite is done under one lock, which a fork takes first. (Other users of SQLite in threads are not.)
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

IN_SQLITE = threading.RLock()


class Forks(Protocol):
    """Something that has to do with a fork."""

    def forked(self) -> None:
        """Called in the child, before anything else is."""


_concerned: weakref.WeakSet[Forks] = weakref.WeakSet()


def concern(this: Forks) -> None:
    """Have its `forked` called in every child."""
    _concerned.add(this)


def _in_child() -> None:
    IN_SQLITE.release()
    for each in list(_concerned):
        each.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=IN_SQLITE.acquire, after_in_parent=IN_SQLITE.release, after_in_child=_in_child)
