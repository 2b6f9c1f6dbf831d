"""A ledger as JSON Lines that can be checked alone: a line that says what follows, the records' exact bytes, a last line.

    {"toolguard_export": 1, "seal": {"seq": ..., "head": ..., "tag": ..., "commitment": ...} or null}
    {"seq": 1, "hash": "...", "body": "{...}"}          the body is the text that was hashed
    {"end": {"records": 2, "head": "2:..."}}

The seal's present key stays behind: with it somebody could seal other records. The tag is enough to check with the first key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from toolguard.audit.report import Head
from toolguard.errors import LedgerCorrupt
from toolguard.model import Record
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 1
NO_KEY = b""


def export_lines(records: Iterable[Record], seal: Seal | None) -> Iterator[str]:
    """The lines of an export, without line breaks."""
    sealed = {name: getattr(seal, name).hex() for name in ("head", "tag", "commitment")} | {"seq": seal.seq} if seal else None
    yield json.dumps({"toolguard_export": VERSION, "seal": sealed})
    count, last = 0, EMPTY_HASH
    for record in records:
        yield json.dumps({"seq": record.seq, "hash": record.hash.hex(), "body": record.body.decode("utf-8", "surrogateescape")})
        count, last = count + 1, record.hash
    yield json.dumps({"end": {"records": count, "head": str(Head(count, last.hex()))}})


def read_seal(first: str) -> Seal | None:
    """The seal in the first line of an export; its key is empty.

    Raises:
        LedgerCorrupt: this is no export, or one of a version that is not known.
    """
    content = _parsed(first, 1)
    if content.get("toolguard_export") != VERSION:
        raise LedgerCorrupt(f"line 1: this is not an export of version {VERSION}")
    sealed = content.get("seal")
    if sealed is None:
        return None
    try:
        head, tag, commitment = (bytes.fromhex(sealed[name]) for name in ("head", "tag", "commitment"))
        return Seal(int(sealed["seq"]), head, tag, NO_KEY, commitment)
    except (TypeError, ValueError, KeyError) as error:
        raise LedgerCorrupt(f"line 1: the seal cannot be read: {error}") from None


def read_records(lines: Iterable[str]) -> Iterator[Record]:
    """The records in the lines behind the first.

    Raises:
        LedgerCorrupt: a line is something else, or the line that ends an export is missing or says otherwise; names the line.
    """
    count, last, numbered = 0, EMPTY_HASH, enumerate(lines, 2)
    for number, line in numbered:
        content = _parsed(line, number)
        if "end" in content:
            if any(rest.strip() for _, rest in numbered):
                raise LedgerCorrupt(f"line {number + 1}: something follows the line that ends the export")
            if content["end"] != {"records": count, "head": str(Head(count, last.hex()))}:
                raise LedgerCorrupt(f"line {number}: the export ends with record {count}, and its last line says otherwise")
            return
        try:
            record = Record(
                int(content["seq"]), content["body"].encode("utf-8", "surrogateescape"), bytes.fromhex(content["hash"])
            )
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise LedgerCorrupt(f"line {number}: this is no record: {type(error).__name__}") from None
        yield record
        count, last = count + 1, record.hash
    raise LedgerCorrupt(f"the export was cut off after record {count}: the line that ends it is missing")


def _parsed(line: str, number: int) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        raise LedgerCorrupt(f"line {number}: this is not JSON") from None
    if not isinstance(content, dict):
        raise LedgerCorrupt(f"line {number}: this is not a mapping")
    return content
