r"""The sealed head: a tag over the whole chain that only its past keys could make, in a small file beside the ledger.

For every record that has reached the disk, in order:

    tag = BLAKE3(key; tag + number + hash of the record)      keyed mode; number as 8 bytes, big-endian
    key = BLAKE3(key; "toolguard seal: next key\n")           the old key is overwritten

Whoever takes over the machine finds today's key, which cannot make yesterday's tags: cutting records off, or writing them
anew, shows to whoever kept the first key (`toolguard keys`). Without that key the file still says how far the ledger went and
with which record.

After Ma and Tsudik, "A new approach to secure logging" (2008); journald's forward secure sealing is a relative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolguard.canonical import digest, keyed_digest
from toolguard.errors import LedgerCorrupt
from toolguard.stores.base import EMPTY_HASH

if TYPE_CHECKING:
    from collections.abc import Iterable

MAGIC = b"tgseal1\n"
SIZE = len(MAGIC) + 8 + 4 * 32
KEY_PREFIX = "tgseal1-"
_EVOLVE = b"toolguard seal: next key\n"
_COMMIT = b"toolguard seal: first key\n"


@dataclass(frozen=True, slots=True)
class Seal:
    """The state of the sealing: `seq` records are sealed, `head` is the hash of the last of them, `key` seals the next one.

    `commitment` is the hash of the first key, so that a wrong key is told apart from a forged ledger.
    """

    seq: int
    head: bytes
    tag: bytes
    key: bytes
    commitment: bytes

    @classmethod
    def begin(cls, key: bytes) -> Seal:
        """Before the first record."""
        return cls(0, EMPTY_HASH, EMPTY_HASH, key, digest(_COMMIT + key))

    def behind(self, seq: int, head: bytes, tag: bytes) -> Seal:
        """A seal that has just begun, as it is after so many records, the last of them hashed `head`, that led to this tag."""
        key = self.key
        for _ in range(seq):
            key = keyed_digest(key, _EVOLVE)
        return Seal(seq, head, tag, key, self.commitment)

    def over(self, records: Iterable[tuple[int, bytes]]) -> Seal:
        """The seal after these further records, given as (number, hash)."""
        seq, head, tag, key = self.seq, self.head, self.tag, self.key
        for number, record_hash in records:
            seq, head = number, record_hash
            tag = keyed_digest(key, tag + number.to_bytes(8, "big") + record_hash)
            key = keyed_digest(key, _EVOLVE)
        return Seal(seq, head, tag, key, self.commitment)

    def to_bytes(self) -> bytes:
        """As it stands in the file."""
        return b"".join((MAGIC, self.seq.to_bytes(8, "big"), self.head, self.tag, self.key, self.commitment))

    @classmethod
    def from_bytes(cls, data: bytes) -> Seal:
        """Read what `to_bytes` wrote.

        Raises:
            LedgerCorrupt: it is something else.
        """
        if len(data) != SIZE or not data.startswith(MAGIC):
            raise LedgerCorrupt("the seal beside the ledger is damaged")
        numbers = data[len(MAGIC) :]
        head, tag, key, commitment = (numbers[8 + 32 * i : 40 + 32 * i] for i in range(4))
        return cls(int.from_bytes(numbers[:8], "big"), head, tag, key, commitment)


def key_text(key: bytes) -> str:
    """A first key as people keep it."""
    return KEY_PREFIX + key.hex()


def parse_key(text: str) -> bytes:
    """Read `key_text`.

    Raises:
        ValueError: it is no such key.
    """
    key = text.strip().removeprefix(KEY_PREFIX)
    if len(key) != 64 or not set(key) <= set("0123456789abcdef") or not text.strip().startswith(KEY_PREFIX):  # noqa: PLR2004
        raise ValueError(f"this is not a key (`{KEY_PREFIX}` and 64 hexadecimal digits)")
    return bytes.fromhex(key)
