r"""Checkpoints as other tools for transparency logs read them: C2SP tlog-checkpoint in a C2SP signed-note.

acme.example/agents/5f0c...        the origin: whose ledger
1024                               how many records the tree has
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=       its root

— acme.example/agents AAAAAZ...                    a signature: base64 of the key's id (4 bytes) and 64 bytes
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

HASH = 32
KEY_ID = 4
SIGNATURE = 64
MAX_NOTE = 100_000  # characters
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` records of the ledger called `origin` make a tree with this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read `text`; lines that others may have added behind the root are passed over.

        Raises:
            ValueError: it is no checkpoint.
        """
        origin, size, root, *_ = [*text.split("\n"), "", "", ""]
        digest = _decoded(root)
        if not origin or not size.isdecimal() or str(int(size)) != size or digest is None or len(digest) != HASH:
            raise ValueError("this is no checkpoint (an origin, a number of records, and a root)")
        return cls(origin, int(size), digest)


@dataclass(frozen=True, slots=True)
class Signature:
    """One line under a note: who signed, with which key, and the signature itself."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        """The note as it is passed around."""
        return f"{self.text}\n" + "".join(f"{each}\n" for each in self.signatures)

    @property
    def checkpoint(self) -> Checkpoint:
        """The text as a checkpoint; see `Checkpoint.parse`."""
        return Checkpoint.parse(self.text)

    @classmethod
    def parse(cls, note: str) -> Note:
        """Read a note.

        Raises:
            ValueError: it is none.
        """
        text, blank, below = note.rpartition("\n\n")
        lines = below.split("\n")
        if len(note) > MAX_NOTE or not blank or lines[-1]:
            raise ValueError("this is no note (a text, a blank line, and the lines of its signatures)")
        signatures = []
        for line in lines[:-1]:
            name, _, encoded = line.removeprefix(_DASH).partition(" ")
            signature = _decoded(encoded)
            if not line.startswith(_DASH) or not is_key_name(name) or signature is None or len(signature) <= KEY_ID:
                raise ValueError("a signature under the note cannot be read")
            signatures.append(Signature(name, signature[:KEY_ID], signature[KEY_ID:]))
        return cls(f"{text}\n", tuple(signatures))


def is_key_name(name: str) -> bool:
    """Whether a key may have this name."""
    return bool(name) and name.isprintable() and not any(c.isspace() or c == "+" for c in name)


def _decoded(text: str) -> bytes | None:
    """Only what we would have written: base64 can spell the same bytes in several ways."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if base64.b64encode(found).decode() == text else None
