"""A long ledger, checked by several processes: each follows some stretches of the chain, this one holds evidence against them.

Where anything is not as it should be, nothing is concluded: the ledger is then followed again from its first record, by one
process, which names what was done. The processes are told what to do on their command line and answer in lines of JSON, so that
a program which verifies a ledger is not run a second time by them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.audit.coverage import Behind
from toolguard.audit.links import Links, parsed
from toolguard.audit.verify import Follower, follow
from toolguard.stores.file import read_hashes, read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolguard.audit.coverage import Evidence
    from toolguard.audit.report import Report

LONG = 200_000  # records for which it is worth starting processes
STRETCH = 50_000  # records that one process follows at a time
_CODE = "from toolguard.audit.segments import main; main()"


def cores() -> int:
    """How many processors there are for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Stretches:
    """Records behind `after` up to `upto`, cut into stretches, of which each process takes every so many-th."""

    path: Path
    after: int
    upto: int
    processes: int
    length: int = STRETCH

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(behind this record, up to that one)."""
        for begin in range(self.after, self.upto, self.length):
            yield begin, min(begin + self.length, self.upto)

    def answers(self, stack: ExitStack) -> Iterator[dict[str, Any] | None]:
        """What the processes say of each stretch, in order; None where one of them says nothing."""
        given = [str(self.path), *map(str, (self.after, self.upto, self.processes, self.length))]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        running = []
        for number in range(self.processes):
            command = [sys.executable, "-c", _CODE, *given, str(number)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)  # noqa: S603
            stack.callback(_ended, process)
            running.append(process)
        for number, _ in enumerate(self):
            output = running[number % self.processes].stdout
            line = output.readline() if output else b""
            yield json.loads(line) if line.endswith(b"\n") else None


def verify_long(
    path: Path,
    evidence: Evidence,
    total: int,
    *,
    processes: int,
    progress: Callable[[int], object] = lambda _: None,
    length: int = STRETCH,
) -> Report | None:
    """The report on a ledger of `total` records, None where it has to be followed by one process to tell what is wrong."""
    follower = Follower(evidence, payloads=True)
    first = next(read_records(path), None)
    behind = Behind.read(first) if first is not None and first.seq > 1 else None
    if evidence.does_not_fit() is not None or (first is not None and first.seq > 1 and behind is None):
        return None
    if behind is not None:
        follower.links.count, follower.links.last = behind.count, behind.head
        if follower.coverage.begin_behind(behind) is not None:
            return None
    stretches = Stretches(path, follower.links.count, total, processes, length)
    with ExitStack() as stack:
        for (after, upto), answer in zip(stretches, stretches.answers(stack), strict=True):
            if answer is None or not _taken(follower, answer, enumerate(read_hashes(path, after, upto), after + 1)):
                return None
            progress(upto)
    report = follow(read_records(path, total), follower, progress)  # what was written meanwhile
    return report if report.intact else None


def _taken(follower: Follower, answer: dict[str, Any], hashes: Iterator[tuple[int, bytes]]) -> bool:
    """Take in what a process says of the next stretch, if it fits, and hold the evidence against its records."""
    links, coverage = follower.links, follower.coverage
    if not answer["holds"] or answer["behind"] != links.last.hex() or answer["first_time"] < links.time:
        return False
    told = dict(answer["told"])
    for seq, digest in hashes:
        if coverage.take(seq, digest, told.get(seq)) is not None:
            return False
    links.count, links.time = answer["count"], answer["time"]
    links.before, links.last = bytes.fromhex(answer["before"]), bytes.fromhex(answer["last"])
    links.others.update((seq, (found, bytes.fromhex(before))) for seq, found, before in answer["others"])
    links.erased.update(answer["erased"])
    links.state.update((bytes.fromhex(key), bytes.fromhex(said)) for key, said in answer["state"])
    for kind, seq, message in answer["remarks"]:
        links.remark(kind, seq, message)
    return (coverage.tree.size, coverage.last) == (links.count, links.last)


def main() -> None:
    """What one process does."""
    path, after, upto, processes, length, number = sys.argv[1], *map(int, sys.argv[2:])
    for index, (begin, end) in enumerate(Stretches(Path(path), after, upto, processes, length)):
        if index % processes == number:
            sys.stdout.write(f"{json.dumps(_followed(Path(path), begin, end))}\n")
            sys.stdout.flush()


def _followed(path: Path, begin: int, end: int) -> dict[str, Any]:
    """What there is to say of one stretch, begun behind what its first record claims to stand behind."""
    links, told, first_time = Links(payloads=True, count=begin), [], 0
    for record in islice(read_records(path, begin), end - begin):
        if links.count == begin:
            content = parsed(record.body)
            behind, first_time = str(content.get("prev")), int(content.get("time") or 0)
            links.last = bytes.fromhex(behind)
        finding, said = links.see(record)
        if finding is not None:
            break
        if said is not None:
            told.append((record.seq, said))
    return {
        "holds": links.count == end,
        "behind": behind,
        "first_time": first_time,
        "count": links.count,
        "time": links.time,
        "before": links.before.hex(),
        "last": links.last.hex(),
        "told": told,
        "others": [(seq, found, before.hex()) for seq, (found, before) in links.others.items()],
        "erased": list(links.erased.items()),
        "state": [(key.hex(), said.hex()) for key, said in links.state.items()],
        "remarks": [(each.kind, each.seq, each.message) for each in links.remarks],
    }


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
