"""What a verification finds, and what can be noted elsewhere to verify with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.stores.base import EMPTY_HASH

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Finding:
    """What was done to the ledger, at which record, in words."""

    kind: str
    """altered, deleted, inserted, reordered, rewritten, truncated head, truncated tail, re-forged, wrong key, unsealed, bad
    signature, unsigned, another ledger's, unknown version; a remark: clock went back, erased without a record, not checked."""
    seq: int
    message: str

    def __str__(self) -> str:
        """`record 7: altered: ...`."""
        return f"record {self.seq}: {self.kind}: {self.message}"


@dataclass(frozen=True, slots=True)
class Head:
    """The number and hash (hex) of a record: noted down elsewhere, it proves what the ledger was then."""

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read `SEQ:HASH`.

        Raises:
            ValueError: it is something else.
        """
        seq, _, digest = text.strip().partition(":")
        if (
            not seq.isdecimal()
            or not int(seq)
            or len(digest) != 2 * len(EMPTY_HASH)
            or not set(digest) <= set("0123456789abcdef")
        ):
            raise ValueError(f"`{text}` is not a head (a record's number, `:`, 64 hexadecimal digits)")
        return cls(int(seq), digest)

    def __str__(self) -> str:
        """`SEQ:HASH`."""
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Report:
    """The first `trusted` records hold; `head` is `SEQ:HASH` of the last of them.

    `finding` is the first thing that is wrong, `remarks` what a reader should know although every record holds. How many
    records are covered: `sealed` by the seal (`keyed`: checked with its first key), `signed` by a checkpoint with the signature
    of a key that was given, `anchored` by a checkpoint that was given; None where there was nothing to check with.
    `checkpoints` is the number of checkpoints in the ledger. The first `archived` records are in an archive that was not given.
    `halted` are the scopes that are halted, as the records say; `revisions` those of the policies that were in force, each with
    the number of the first record that says so. `state` is what the records say that the counters hold, for comparing.
    """

    intact: bool
    trusted: int
    head: str
    finding: Finding | None = None
    remarks: tuple[Finding, ...] = ()
    checkpoints: int = 0
    sealed: int | None = None
    keyed: bool = False
    signed: int | None = None
    anchored: int | None = None
    archived: int = 0
    halted: tuple[str, ...] = ()
    revisions: dict[str, int] = field(default_factory=dict)
    state: Mapping[bytes, bytes] = field(default_factory=dict, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {name: value for name, value in asdict(self).items() if name != "state"}
