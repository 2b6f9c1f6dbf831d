"""Paths on the disk: where links lead, and opening a file without leaving a folder.

A decision says where a path led when it was asked. Links can change before the tool opens it; a tool that opens its files with
`open_beneath` keeps the promise at the moment of use.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any

from toolguard.classify.path import resolve_with

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FLAGS = {
    "r": os.O_RDONLY,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
}
_DOES_NOT_FOLLOW = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)


def real(path: str) -> str | None:
    """The path with every link followed, component by component; None for a loop of links, and where the disk refuses.

    What does not exist yet ends the links: the rest is taken as it is written.
    """
    try:
        found = os.path.realpath(path)
        os.lstat(found)
    except FileNotFoundError:
        return found
    except (OSError, ValueError):
        return None
    return None if Path(found).is_symlink() else found


def open_beneath(folder: str | os.PathLike[str], path: str, mode: str = "r", **given: Any) -> IO[Any]:
    """Open a file below a folder, following no link and no `..` on the way; otherwise as `open`.

    `path` is relative to `folder`; `mode` is one of `r`, `w`, `a`, `x`, with `b` and `+` as usual. The folder itself may be
    reached through links. On systems without `openat` it raises.

    Raises:
        PermissionError: a component is a link, `..`, or the path is absolute.
        OSError: as `open`.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or path.startswith("/") or ".." in parts or "\x00" in path:
        raise PermissionError(errno.EPERM, "the path has to lie below the folder", path)
    flags = _FLAGS[next(sign for sign in mode if sign in _FLAGS)]
    if "+" in mode:
        flags = (flags & ~(os.O_RDONLY | os.O_WRONLY)) | os.O_RDWR
    here = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        for part in parts[:-1]:
            deeper = _below(part, _DIRECTORY, here, path)
            os.close(here)
            here = deeper
        found = _below(parts[-1], flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0), here, path)
    finally:
        os.close(here)
    return open(found, mode, **given)  # noqa: PTH123 - a descriptor, which the caller closes


def _is_link(part: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)


def _below(part: str, flags: int, folder: int, path: str) -> int:
    try:
        return os.open(part, flags, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno in _DOES_NOT_FOLLOW and _is_link(part, folder):
            raise PermissionError(errno.EPERM, "a component of the path is a link", path) from error
        raise


resolve_with(real)
