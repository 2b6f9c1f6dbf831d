"""Checks a chain of records, offline and in constant memory, and names the first thing that was done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.audit.coverage import Behind, Coverage, Evidence
from toolguard.audit.links import Links
from toolguard.audit.merkle import Tree
from toolguard.audit.report import Finding, Head, Report
from toolguard.stores.base import EMPTY_HASH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from toolguard.model import Record

PROGRESS = 10_000  # records between two calls of `progress`
NO_EVIDENCE = Evidence()


class Follower:
    """Follows a chain record by record: `links` holds them together, `coverage` holds evidence against them.

    Begun with a tree, and the hash of its last record, it follows the rest of a chain whose beginning is taken as it is.
    """

    def __init__(
        self, evidence: Evidence, *, payloads: bool = False, tree: Tree | None = None, last: bytes = EMPTY_HASH
    ) -> None:
        begun = tree or Tree()
        self.links = Links(payloads, begun.size, last)
        self.coverage = Coverage(evidence, begun, last)

    def see(self, record: Record) -> Finding | None:
        """What is wrong with the record that comes next; None takes it in."""
        if record.seq > 1 and not self.links.count and (behind := Behind.read(record)) is not None:
            self.links.count, self.links.last = behind.count, behind.head
            finding = self.coverage.begin_behind(behind)
            if finding is not None:
                return finding
        finding, said = self.links.see(record)
        return finding or self.coverage.take(record.seq, record.hash, said)

    @property
    def head(self) -> Head:
        """The number and hash of the last record that holds."""
        return Head(self.links.count, self.links.last.hex())

    def end(self) -> Finding | None:
        """What is wrong now that there are no more records."""
        finding = self.coverage.end()
        for size in self.coverage.not_checked():
            self.links.remark("not checked", size, f"the checkpoint of {size} records is about records in an archive")
        beside = self.links.end(self.coverage.archived)
        return finding or beside

    def report(self, finding: Finding | None) -> Report:
        """What holds is what lies before the finding: all records seen, all but the last of them, or what was proved."""
        links, coverage = self.links, self.coverage
        trusted, last = links.count, links.last
        if finding is not None and finding.seq <= links.count:
            trusted, last = (links.count - 1, links.before) if finding.seq == links.count > 0 else coverage.proven
        evidence = coverage.evidence
        return Report(
            intact=finding is None,
            trusted=trusted,
            head=str(Head(trusted, last.hex())),
            finding=finding,
            remarks=tuple(links.remarks),
            checkpoints=coverage.checkpoints,
            sealed=min(evidence.seal.seq, trusted) if evidence.seal else None,
            keyed=evidence.key is not None,
            signed=min(coverage.signed, trusted) if evidence.verifiers else None,
            anchored=coverage.anchored(trusted),
            archived=coverage.archived,
            halted=tuple(sorted(coverage.halted)),
            revisions=dict(coverage.revisions),
            state=links.state,
        )


def verify(
    records: Iterable[Record],
    evidence: Evidence = NO_EVIDENCE,
    *,
    payloads: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Report:
    """Follow the chain from its first record.

    A plain chain shows every change inside it. Cutting records off its end, or writing all of it anew, shows against evidence
    from elsewhere. `payloads` says that the records come with what lies beside them, so that what is missing there is remarked.
    `progress` is told now and then how many records were seen.
    """
    follower = Follower(evidence, payloads=payloads)
    finding = evidence.does_not_fit()
    return follower.report(finding) if finding is not None else follow(records, follower, progress)


def follow(records: Iterable[Record], follower: Follower, progress: Callable[[int], object] = lambda _: None) -> Report:
    """Let a follower see every record, and close."""
    for record in records:
        finding = follower.see(record)
        if finding is not None:
            return follower.report(finding)
        if not record.seq % PROGRESS:
            progress(record.seq)
    return follower.report(follower.end())
