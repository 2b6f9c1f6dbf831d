"""A log is read piece by piece. It is cut where a key begins, although that arrives in pieces; what is personal is masked."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from toolguard import Guard, guarded
from toolguard.errors import StreamDenied

LOG = (
    "12:00 started\n"
    "12:01 signed in: jane.doe@example.com\n"
    "12:02 order 1234567890123456 was paid\n"
    "12:03 calling the store with AKIAIOSFODNN7EXAMPLE as the key\n"
    "12:04 done\n"
)
PIECE = 7  # characters that arrive at once: the key comes in four pieces


def pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


def main(ledger: str = "streams.db") -> None:
    with Guard(Path(__file__).parent / "policy.yaml", ledger=ledger) as guard:

        @guarded(guard)
        def tail_log(name: str) -> Iterator[str]:
            del name
            try:
                yield from pieces(LOG)
            finally:
                print("\n  (the log was closed)")

        print("A tool that streams:")
        try:
            for piece in tail_log("app.log"):
                print(piece, end="")
        except StreamDenied as denied:
            print(f"  cut: {denied}\n")

        async def answer() -> AsyncIterator[str]:
            for piece in pieces("The key is in the log: ghp_" + "0123456789" * 4):
                await asyncio.sleep(0)
                yield piece

        async def read() -> None:
            async for piece in guard.stream(answer()):
                print(piece, end="")

        print("What a model says:")
        try:
            asyncio.run(read())
        except StreamDenied as denied:
            print(f"\n  cut: {denied}\n  the model is told: {denied.message_for_model()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
