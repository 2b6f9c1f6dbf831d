"""What the halt costs a call in which nothing is halted, and how soon it is seen where something runs."""

import asyncio
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cases import TOOL, threshold
from bench.durable import bare, insert
from bench.measure import QUICK, agree, compute, row, seconds_of
from toolguard import Guard, ToolHalted, guarded

NANOSECONDS = 1e9


def rows(pace):
    halts = 5 if pace == QUICK else 100
    with TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        path = Path(folder) / "ledger.db"
        with Guard(threshold(), ledger=path) as guard, closing(bare(Path(folder) / "bare.db")) as database:
            body = guard.store.last().body
            plain = seconds_of(lambda: insert(database, [body]), 50) / 50
            yield checking(pace, guard)
            yield seen(guard, path, halts, plain)
            yield ended(guard, halts, plain)


def checking(pace, guard):
    guard.evaluate(TOOL, {"amount": 1})
    number, limit = 5, 500
    figures = compute(pace, lambda: guard.store.signal() == guard._halts.quiet, lambda: number > limit)  # noqa: SLF001
    checks = [agree("nothing is halted", (), guard.halts())]
    ours = min(ours for ours, _ in figures)
    return row("halt check of a call / an if", figures, checks, note=f"{ours * NANOSECONDS:.0f} ns (design: at most 100)")


def seen(guard, path, halts, plain):
    """From the call of `halt` to the moment when another process, which does nothing but look, sees it."""
    code = f"from bench.halting import looking; looking({str(path)!r}, {halts})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        halted = []
        for _ in range(halts):
            halted.append(time.monotonic())
            guard.halt("tool:none", reason="x", by="bench")
            time.sleep(0.01)
            guard.resume("tool:none", reason="x", by="bench")
            time.sleep(0.01)
        at = [float(line) for line in other.stdout.read().split()]
    late = sorted(saw - said for saw, said in zip(at, halted, strict=True))
    note = f"p99 {late[int(0.99 * (len(late) - 1))] * 1e6:,.0f} us"
    checks = [agree("halts that were seen", halts, len(at))]
    return row("a halt is seen by another process / a durable insert", [(late[len(late) // 2], plain)], checks, note=note)


def looking(path, halts):
    """In a process of its own: prints when it saw each halt."""
    with Guard(threshold(), ledger=path) as guard:
        print("ready", flush=True)
        at = []
        while len(at) < halts:
            if guard.halts():
                at.append(time.monotonic())
                while guard.halts():
                    pass
        print(*at, sep="\n", flush=True)


def ended(guard, halts, plain):
    """From the call of `halt` to the moment when the consumer of a stream that waits is told."""

    @guarded(guard, tool=TOOL)
    async def endless(amount):
        yield amount
        await asyncio.sleep(3600)

    async def one():
        stream, said = endless(amount=1), []
        await anext(stream)

        def halt():
            said.append(time.perf_counter())
            guard.halt(reason="x", by="bench")

        thread = threading.Thread(target=halt)
        thread.start()
        try:
            await anext(stream)
        except ToolHalted:
            told = time.perf_counter()
        thread.join()
        guard.resume(reason="x", by="bench")
        return told - said[0]

    async def all_of_them():
        return [await one() for _ in range(halts)]

    late = sorted(asyncio.run(all_of_them()))
    note = f"p99 {late[int(0.99 * (len(late) - 1))] * 1e3:,.1f} ms"
    checks = [agree("streams that were ended", halts, len(late))]
    return row("a live stream ends after a halt / a durable insert", [(late[len(late) // 2], plain)], checks, note=note)
