"""Other places for checkpoints: where the agent's machine can add, and cannot take away.

An anchor is anything that can be called with the text of a note. These are the usual ones; each raises what goes wrong, and
the checkpointer puts that on record. `read_notes` reads a file of them back.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.note import Note
from toolguard.stores.disk import sync

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTE = re.compile(r"(\S+\n(?:0|[1-9][0-9]{0,18})\n[A-Za-z0-9+/]{43}=\n)(?:\n((?:\N{EM DASH} \S+ \S+\n)*))?")
TIMEOUT = 10.0  # seconds for a network or another program


@dataclass(frozen=True, slots=True)
class ToFile:
    """Appends to a file: on another machine's share, or one that only root can shorten (`chattr +a`)."""

    path: str | Path

    def __call__(self, note: str) -> None:
        """Append the note, and wait for the disk."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            data = f"{note}\n".encode()
            if os.write(descriptor, data) != len(data):
                raise OSError("the note was written in part")
            sync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class ToHttp:
    """POSTs to an address: a witness, a log collector, a function of your own. Headers may hold a token and are not shown."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __call__(self, note: str) -> None:
        """Send the note; an answer other than 2xx is an error."""
        from urllib.request import Request, urlopen  # noqa: PLC0415 - who does not use it does not wait for it

        if not self.url.startswith(("https://", "http://")):
            raise ValueError("an anchor's address begins with https:// or http://")
        headers = {"Content-Type": "text/plain; charset=utf-8", **self.headers}
        request = Request(self.url, note.encode(), headers, method="POST")  # noqa: S310 - checked above
        with urlopen(request, timeout=TIMEOUT):  # noqa: S310
            pass


@dataclass(frozen=True, slots=True)
class ToGit:
    """Adds to a git note on a commit of a repository, under `refs/notes/toolguard`; push that ref to take it away from here."""

    repository: str | Path
    commit: str = "HEAD"

    def __call__(self, note: str) -> None:
        """Append the note to the commit's git note."""
        import subprocess  # noqa: PLC0415 - who does not use it does not wait for it

        command = ["git", "-C", str(self.repository), "notes", "--ref=toolguard", "append", "--file=-", self.commit]
        subprocess.run(command, input=f"{note}\n".encode(), check=True, capture_output=True, timeout=TIMEOUT)  # noqa: S603


@dataclass(frozen=True, slots=True)
class ToSyslog:
    r"""Sends to the system's log (syslog, journald), which another user owns and may forward; in one line, with `\n` in it."""

    ident: str = "toolguard"

    def __call__(self, note: str) -> None:
        """Log the note."""
        import syslog  # noqa: PLC0415 - not there on Windows

        syslog.openlog(self.ident, 0, syslog.LOG_AUTH)
        syslog.syslog(syslog.LOG_NOTICE, "checkpoint " + note.replace("\n", "\\n"))


def notes_in(path: str | Path) -> list[Note]:
    """Every checkpoint in a file; see `read_notes`.

    Raises:
        ValueError: there is none in it; names the file.
        OSError: it cannot be read.
    """
    try:
        return read_notes(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"`{path}`: {error}") from None


def read_notes(text: str) -> list[Note]:
    """Every checkpoint in what `ToFile` wrote, in a git note, or in lines of a system log.

    Raises:
        ValueError: there is none in it.
    """
    # What stores text may trim it: an unsigned note then lacks the blank line at its end.
    found = [Note.parse(f"{match[1]}\n{match[2] or ''}") for match in _NOTE.finditer(text.replace("\\n", "\n"))]
    if not found:
        raise ValueError("there is no checkpoint in it")
    return found
