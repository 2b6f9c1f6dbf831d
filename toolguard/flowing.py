"""The carriers of a guarded stream: they carry its steps out, as an iterator, an async iterator or a file."""

from __future__ import annotations

import contextlib
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, Self

from toolguard.errors import ToolDenied, ToolHalted
from toolguard.model import Outcome
from toolguard.streams import Emit, Judge, Note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
    from types import TracebackType

    from toolguard.model import Decision
    from toolguard.point import Stoppable
    from toolguard.streams import Step, Stream

PIECE = 8192  # characters or bytes of a file that are read at once


class Judges(Protocol):
    """What a stream needs besides: its records, and judgements of whole values."""

    def noted(self, decision: Decision) -> Decision:
        """Record what rules make of the stream so far; a denial if that fails."""

    def judged(self, outcome: Outcome) -> Outcome:
        """What may be seen of a value or an error."""

    async def judged_async(self, outcome: Outcome) -> Outcome:
        """As `judged`, for asyncio."""

    def over(self, outcome: Outcome) -> None:
        """The stream has ended."""


class _Carrier:
    """What the carriers share. `inside` says that somebody else runs the source, who looks at halts and ends the call."""

    def __init__(self, source: Any, stream: Stream, judges: Judges, running: Stoppable, *, inside: bool) -> None:
        self._source, self._stream, self._judges, self._running = source, stream, judges, running
        self._inside, self._reading = inside, Lock()
        self._flow: Generator[Step, Any, Any] = stream.flow()
        self._ended = False
        self._error: BaseException | None = None
        self._value: Any = None

    @property
    def released(self) -> int:
        """How much was let through: characters of text, bytes, or items."""
        return self._stream.released

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two who read at once would get each other's answers."""
        if not self._reading.acquire(blocking=False):
            raise RuntimeError("the stream is being read already")
        try:
            yield
        finally:
            self._reading.release()

    def _step(self, answer: Any) -> Step | None:
        """The next step; None at the end, with `_error` if there is one and `_value` if the source returns something."""
        try:
            return self._flow.send(answer)
        except StopIteration as end:
            self._value = end.value
        except BaseException as error:  # noqa: BLE001 - raised by whoever carries the step out
            self._error = error
        return None

    def _over(self, kind: str, error: BaseException | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        if not self._inside:
            self._running.end()
        if kind == "denied":
            self._running.stop()
        self._judges.over(Outcome("raised" if kind == "denied" else kind, 0, error=error))


class GuardedIterator(_Carrier):
    """An iterator over what may be seen of another one, which it closes when that ends early."""

    def __init__(
        self, source: Iterator[Any], stream: Stream, judges: Judges, running: Stoppable, *, inside: bool = False
    ) -> None:
        super().__init__(source, stream, judges, running, inside=inside)
        self._advance: Callable[[], Any] = lambda: next(source)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._alone():
            return self._next()

    def _next(self) -> Any:
        if self._ended:
            raise StopIteration
        answer = None
        while (step := self._step(answer)) is not None:
            if isinstance(step, Emit):
                return step.piece
            answer = self._carried_out(step)
        if self._error is None:
            self._over("returned")
            raise StopIteration(self._value)
        self._close_source()
        self._over(_kind_of(self._error), self._error)
        raise self._error

    def _carried_out(self, step: Step) -> Any:
        if isinstance(step, Note):
            return self._judges.noted(step.decision)
        return self._judges.judged(step.outcome) if isinstance(step, Judge) else self._pulled()

    def _pulled(self) -> Any:
        try:
            return _plain(self._next_piece() if self._inside else self._looked_after())
        except StopIteration as end:
            return Outcome("returned", 0, end.value)
        except BaseException as error:  # noqa: BLE001 - judged as what came back
            return Outcome("raised", 0, error=self._running.halted() if self._running.stopped else error)

    def _looked_after(self) -> Any:
        self._running.check()
        with self._running:
            piece = self._next_piece()
        self._running.check()
        return piece

    def _next_piece(self) -> Any:
        advance, self._advance = self._advance, lambda: next(self._source)
        return advance()

    def send(self, value: Any) -> Any:
        """As a generator's: the source gets the value when it is asked for its next piece."""
        if value is not None:
            self._advance = lambda: self._source.send(value)
        return next(self)

    def throw(self, error: BaseException) -> Any:
        """As a generator's: raised in the source."""
        self._advance = lambda: self._source.throw(error)
        return next(self)

    def close(self) -> None:
        """Nothing more is wanted: the source is closed."""
        self._flow.close()
        self._close_source()
        self._over("closed")

    def _close_source(self) -> None:
        close = getattr(self._source, "close", None)
        if callable(close):
            with contextlib.suppress(Exception):  # whatever the source makes of being closed, nothing more is let through
                close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_ended", True):
            with contextlib.suppress(Exception):
                self.close()


class GuardedAsyncIterator(_Carrier):
    """As `GuardedIterator`, for asyncio."""

    def __init__(
        self, source: AsyncIterator[Any], stream: Stream, judges: Judges, running: Stoppable, *, inside: bool = False
    ) -> None:
        super().__init__(source, stream, judges, running, inside=inside)
        self._advance: Callable[[], Awaitable[Any]] = lambda: anext(source)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        with self._alone():
            return await self._next()

    async def _next(self) -> Any:
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        if self._ended:
            raise StopAsyncIteration
        answer: Any = None
        while (step := self._step(answer)) is not None:
            if isinstance(step, Emit):
                return step.piece
            if isinstance(step, Note):
                answer = await asyncio.to_thread(self._judges.noted, step.decision)
            else:
                answer = await (self._judges.judged_async(step.outcome) if isinstance(step, Judge) else self._pulled())
        if self._error is None:
            await asyncio.to_thread(self._over, "returned")
            raise StopAsyncIteration
        await self._close_source()
        await asyncio.to_thread(self._over, _kind_of(self._error), self._error)
        raise self._error

    async def _pulled(self) -> Any:
        try:
            return _plain(await (self._next_piece() if self._inside else self._looked_after()))
        except StopAsyncIteration:
            return Outcome("returned", 0)
        except BaseException as error:  # noqa: BLE001 - judged as what came back
            return Outcome("raised", 0, error=self._running.halted() if self._running.stopped else error)

    async def _looked_after(self) -> Any:
        self._running.check()
        with self._running:
            piece = await self._next_piece()
        self._running.check()
        return piece

    def _next_piece(self) -> Awaitable[Any]:
        advance, self._advance = self._advance, lambda: anext(self._source)
        return advance()

    async def asend(self, value: Any) -> Any:
        """As an async generator's: the source gets the value when it is asked for its next piece."""
        if value is not None:
            self._advance = lambda: self._source.asend(value)
        return await anext(self)

    async def athrow(self, error: BaseException) -> Any:
        """As an async generator's: raised in the source."""
        self._advance = lambda: self._source.athrow(error)
        return await anext(self)

    async def aclose(self) -> None:
        """Nothing more is wanted: the source is closed."""
        import asyncio  # noqa: PLC0415 - as above

        self._flow.close()
        await self._close_source()
        await asyncio.to_thread(self._over, "closed")

    async def _close_source(self) -> None:
        close = getattr(self._source, "aclose", None)
        if callable(close):
            with contextlib.suppress(Exception):  # as for an iterator
                await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class GuardedFile:
    """A file open for reading, of text or of bytes, of which only what may be seen can be read. It cannot be sought in."""

    def __init__(self, pieces: GuardedIterator, empty: str | bytes) -> None:
        self._pieces, self._empty, self._rest = pieces, empty, empty
        self.closed = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int | None = -1) -> Any:
        """So many characters or bytes, or fewer at the end; all that are left without a size."""
        if size is None or size < 0:
            self._fill(lambda _, __: False)
            return self._taken(len(self._rest))
        self._fill(lambda _, have: have >= size)
        return self._taken(size)

    def readline(self, size: int | None = -1) -> Any:
        """Up to the end of the line."""
        end: Any = "\n" if isinstance(self._empty, str) else b"\n"
        self._fill(lambda piece, _: end in piece)
        place = self._rest.find(end) + 1 or len(self._rest)
        return self._taken(place if size is None or size < 0 else min(place, size))

    def readlines(self, hint: int | None = -1) -> list[Any]:
        """All lines that are left."""
        del hint
        return list(self)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self, enough: Callable[[Any, int], bool]) -> None:
        """Read until the last piece, and how much there is by then, are enough."""
        if self.closed:
            raise ValueError("the file is closed")
        pieces = [self._rest]
        have = len(self._rest)
        while not enough(pieces[-1], have):
            try:
                pieces.append(next(self._pieces))
            except StopIteration:
                break
            have += len(pieces[-1])
        nothing: Any = self._empty[:0]
        self._rest = nothing.join(pieces)

    def _taken(self, size: int) -> Any:
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def file_pieces(file: Any) -> Generator[Any, None, None]:
    """A file as pieces, closed with the iteration."""
    try:
        while piece := file.read(PIECE):
            yield piece
    finally:
        file.close()


def _plain(piece: Any) -> Any:
    """Texts and bytes as what they are made of."""
    if isinstance(piece, str):
        return str.__str__(piece)
    return bytes(piece) if isinstance(piece, (bytes, bytearray, memoryview)) else piece


def _kind_of(error: BaseException) -> str:
    if isinstance(error, ToolHalted):
        return "halted"
    return "denied" if isinstance(error, ToolDenied) else "raised"
