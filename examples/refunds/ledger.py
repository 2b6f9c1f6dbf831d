"""The ledger afterwards: what is in it, whether it verifies, and what an attacker with the file can do to a copy."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolguard.audit.chain import seal
from toolguard.audit.verify import Report, verify
from toolguard.stores.sqlite import read_records

if TYPE_CHECKING:
    from pathlib import Path

UPDATE = "UPDATE record SET body = ?, hash = ? WHERE seq = ?"


@dataclass(frozen=True)
class Copy:
    """An altered copy of the ledger, and what the verifier says about it."""

    path: Path
    altered: int
    report: Report

    @property
    def named(self) -> bool:
        """Whether the verifier names the record that was altered, and how."""
        finding = self.report.finding
        return finding is not None and (finding.seq, finding.kind) == (self.altered, "altered")


@dataclass(frozen=True)
class Audit:
    """The ledger's own report, its records by kind, what it answered to a change, and the forged copies."""

    report: Report
    counts: Counter[str]
    protest: str
    copies: tuple[Copy, ...]


def check(path: Path) -> Report:
    """The same as `toolguard verify FILE`."""
    return verify(read_records(path))


def counts(path: Path) -> Counter[str]:
    """How many records of each kind there are."""
    return Counter(json.loads(record.body)["kind"] for record in read_records(path))


def plain_change(path: Path, seq: int) -> str:
    """Try to change a record while its trigger is there: what SQLite answers, empty if it lets it happen."""
    with closing(sqlite3.connect(path)) as database, database:
        try:
            database.execute("UPDATE record SET body = body WHERE seq = ?", (seq,))
        except sqlite3.Error as error:
            return str(error)
    return ""


def forge(ledger: Path, copy: Path, seq: int, *, reseal: bool) -> Copy:
    """Copy the ledger and make a denial in it read as an allowance, as somebody who owns the file can.

    With `reseal` the forger also knows how records are hashed, and gives the record the hash of its new bytes.
    """
    with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        target.execute("DROP TRIGGER record_is_never_changed")
        body, digest = target.execute("SELECT body, hash FROM record WHERE seq = ?", (seq,)).fetchone()
        forged = body.replace(b'"verdict":"deny"', b'"verdict":"allow"')
        target.execute(UPDATE, (forged, seal(forged) if reseal else digest, seq))
        target.commit()
    return Copy(copy, seq, check(copy))
