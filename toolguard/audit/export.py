"""Records as JSON Lines that can be checked alone: a line that says what follows, the records' exact bytes, a last line.

    {"toolguard_export": 1, "payloads": false}
    {"seq": 1, "hash": "...", "body": "{...}"}          the body is the text that was hashed; with payloads, also `payload`
    {"end": {"records": 2, "head": "2:...", "seal": {"seq": ..., "head": ..., "tag": ..., "commitment": ...}}}

The seal's present key stays behind: with it somebody could seal other records. The tag is enough to check with the first key.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.audit.report import Head
from toolguard.errors import LedgerCorrupt, StoreError
from toolguard.model import Record
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

VERSION = 1
NO_KEY = b""
MAX_END = 4096  # bytes of the last line


@dataclass(frozen=True, slots=True)
class Export:
    """An export that was opened: whether it has payloads, and its seal, whose key is empty."""

    path: Path
    payloads: bool
    seal: Seal | None

    @classmethod
    def open(cls, path: Path) -> Export:
        """Look at the first and the last line.

        Raises:
            StoreError: the file cannot be read.
            LedgerCorrupt: this is no export, or one of a version that is not known, or it was cut off.
        """
        try:
            with path.open("rb") as file:
                first = _parsed(_text(file.readline(MAX_END)), "line 1")
                if first.get("toolguard_export") != VERSION:
                    raise LedgerCorrupt(f"line 1: this is not an export of version {VERSION}")
                file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_END))
                last = file.read().rstrip().rpartition(b"\n")[2]
        except OSError as error:
            raise StoreError(f"the export `{path}` cannot be read: {(error.strerror or str(error)).lower()}") from error
        end = _parsed(_text(last), "the last line").get("end") if last.startswith(b'{"end"') else None
        if not isinstance(end, dict):
            raise LedgerCorrupt("the export was cut off: the line that ends it is missing")
        return cls(path, first.get("payloads") is True, _seal(end.get("seal")))

    def records(self) -> Iterator[Record]:
        """The records.

        Raises:
            LedgerCorrupt: a line is something else, or the last line says otherwise; names the line.
        """
        try:
            with self.path.open(encoding="utf-8", newline="\n") as lines:
                lines.readline()
                yield from _records(lines, payloads=self.payloads)
        except OSError as error:
            raise StoreError(f"the export `{self.path}` cannot be read: {(error.strerror or str(error)).lower()}") from error
        except UnicodeDecodeError as error:
            raise LedgerCorrupt(f"the export `{self.path}` is not UTF-8 text: {error.reason}") from error


def export_lines(records: Iterable[Record], seal: Seal | None, *, payloads: bool = False) -> Iterator[str]:
    """The lines of an export, without line breaks."""
    yield first_line(payloads=payloads)
    count, last = 0, Head(0, EMPTY_HASH.hex())
    for record in records:
        yield record_line(record, payloads=payloads)
        count, last = count + 1, Head(record.seq, record.hash.hex())
    yield end_line(count, last, seal)


def first_line(*, payloads: bool) -> str:
    """The line that says what follows."""
    return json.dumps({"toolguard_export": VERSION, "payloads": payloads})


def record_line(record: Record, *, payloads: bool) -> str:
    """The line of one record."""
    line = {"seq": record.seq, "hash": record.hash.hex(), "body": _text(record.body)}
    return json.dumps(line | ({"payload": _text(record.payload)} if payloads and record.payload is not None else {}))


def end_line(count: int, head: Head, seal: Seal | None) -> str:
    """The last line."""
    sealed = {name: getattr(seal, name).hex() for name in ("head", "tag", "commitment")} | {"seq": seal.seq} if seal else None
    return json.dumps({"end": {"records": count, "head": str(head), "seal": sealed}})


def _records(lines: Iterable[str], *, payloads: bool) -> Iterator[Record]:
    """The records in the lines behind the first."""
    count, last, numbered = 0, Head(0, EMPTY_HASH.hex()), enumerate(lines, 2)
    for number, line in numbered:
        content = _parsed(line, f"line {number}")
        if "end" in content:
            if any(rest.strip() for _, rest in numbered):
                raise LedgerCorrupt(f"line {number + 1}: something follows the line that ends the export")
            end = content["end"]
            if not isinstance(end, dict) or (end.get("records"), end.get("head")) != (count, str(last)):
                raise LedgerCorrupt(f"line {number}: the export ends with record {last.seq}, and its last line says otherwise")
            return
        if "payload" in content and not payloads:
            raise LedgerCorrupt(f"line {number}: a payload, and the first line says that there are none")
        try:
            body, payload = content["body"], content.get("payload")
            record = Record(
                int(content["seq"]), _bytes(body), bytes.fromhex(content["hash"]), None if payload is None else _bytes(payload)
            )
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise LedgerCorrupt(f"line {number}: this is no record: {type(error).__name__}") from None
        yield record
        count, last = count + 1, Head(record.seq, record.hash.hex())
    raise LedgerCorrupt(f"the export was cut off after record {last.seq}: the line that ends it is missing")


def _seal(sealed: Any) -> Seal | None:
    if sealed is None:
        return None
    try:
        head, tag, commitment = (bytes.fromhex(sealed[name]) for name in ("head", "tag", "commitment"))
        return Seal(int(sealed["seq"]), head, tag, NO_KEY, commitment)
    except (TypeError, ValueError, KeyError) as error:
        raise LedgerCorrupt(f"the last line: the seal cannot be read: {error}") from None


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        raise LedgerCorrupt(f"{where}: this is not JSON") from None
    if not isinstance(content, dict):
        raise LedgerCorrupt(f"{where}: this is not a mapping")
    return content


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
