"""Keeps a guard loaded for the hooks of one user: a Unix socket in a folder of theirs, gone after a while without calls."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.guard import Guard
from toolguard.hooks import thin
from toolguard.hooks.answers import Answers
from toolguard.hooks.clients import Client
from toolguard.hooks.options import folder

if TYPE_CHECKING:
    from toolguard.hooks.options import Options

IDLE = 30 * 60  # seconds
LONGEST = 100  # bytes of a socket's path; the system takes some 104

_logger = logging.getLogger("toolguard")


def start(options: Options) -> None:
    """Start one beside this process, unless one runs."""
    command = [sys.executable, "-I", "-m", "toolguard", "hook", "serve", *options.words()]
    with Path(folder(), "hook.log").open("ab") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - ours


def serve(options: Options, idle: float = IDLE) -> int:
    """Answer until nobody has asked for `idle` seconds. Only one does so for the same options."""
    path = Path(thin.socket_path(options.words()))
    if len(os.fsencode(path)) > LONGEST:
        _logger.error("the path of the socket is too long: %s", path)
        return 1
    folder()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid() or path.parent.stat().st_mode & 0o077:
        _logger.error("the folder of the socket is open to others: %s", path.parent)
        return 1
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0  # another one runs
        path.unlink(missing_ok=True)
        with Guard(**options.for_a_guard()) as guard, socket.socket(socket.AF_UNIX) as listener:
            if options.policy:
                guard.watch()
            before = os.umask(0o177)
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
            listener.listen(64)
            _Answering(listener, Answers(guard, options), idle).until_idle()
            path.unlink(missing_ok=True)
    return 0


class _Answering:
    def __init__(self, listener: socket.socket, answers: Answers, idle: float) -> None:
        self._listener, self._answers, self._idle = listener, answers, idle
        self._last = time.monotonic()

    def until_idle(self) -> None:
        self._listener.settimeout(min(self._idle, 5.0))
        while time.monotonic() - self._last < self._idle:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._last = time.monotonic()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(thin.SECONDS)
            try:
                if thin.owner(connection) != os.getuid():
                    return
                name, project, call = thin.received(connection).split(b"\0", 2)
                reply = self._answers.to(name.decode(), call, os.fsdecode(project))
                _send(connection, reply.stdout, reply.stderr, reply.code)
            except (OSError, ValueError) as error:
                _logger.warning("a hook was not answered: %s", error)
                reply = Client("", "", asks=False).deny("the guard could not read the call")
                try:
                    _send(connection, reply.stdout, reply.stderr, reply.code)
                except OSError:
                    _logger.debug("nor could it be told so", exc_info=True)
            self._last = time.monotonic()


def _send(connection: socket.socket, stdout: str, stderr: str, code: int) -> None:
    message = "\0".join([stdout, stderr.replace("\0", ""), str(code)]).encode("utf-8", "replace")
    connection.sendall(struct.pack("!I", len(message)) + message)
