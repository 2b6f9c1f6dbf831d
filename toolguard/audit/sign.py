"""Ed25519 keys that sign checkpoints, in the text forms of C2SP signed-note and Go's `sumdb/note`. Needs the extra `sign`.

PRIVATE+KEY+NAME+ID+base64(1, seed)       what signs; a file only its owner may read
NAME+ID+base64(1, public key)             what checks; for everybody
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from toolguard.audit.note import KEY_ID, SIGNATURE, Note, Signature, is_key_name

if TYPE_CHECKING:
    from pathlib import Path

SEED = 32
_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs notes in one name."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> Verifier:
        """What checks our signatures."""
        return Verifier(self.name, _ed25519().Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def __str__(self) -> str:
        """The key as it is kept. It is secret."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{base64.b64encode(_ED25519 + self.seed).decode()}"

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"

    def sign(self, text: str) -> Note:
        """The text, signed."""
        signature = _ed25519().Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return Note(text, (Signature(self.name, self.verifier.key_id, signature),))

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read `str(signer)`.

        Raises:
            ValueError: it is no such key.
        """
        name, key_id, seed = _parsed(text.strip().removeprefix(_PRIVATE), SEED) or ("", b"", b"")
        if not name or not text.strip().startswith(_PRIVATE):
            raise ValueError(f"this is no key that signs (`{_PRIVATE}NAME+ID+KEY`)")
        signer = cls(name, seed)
        if signer.verifier.key_id != key_id:
            raise ValueError("the id of the key does not fit it: a part of it was changed")
        return signer

    @classmethod
    def load(cls, path: Path) -> Signer:
        """Read a key from a file.

        Raises:
            ValueError: it is no such key, or others than its owner may read it.
            OSError: it cannot be read.
        """
        mode = path.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError(f"`{path}` can be read by others than its owner: `chmod 600 {path}`")
        return cls.parse(path.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks the signatures of one key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """What tells this key from others of its name."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:KEY_ID]

    def __str__(self) -> str:
        """The key as it is passed around."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def accepts(self, note: Note) -> bool:
        """Whether this key signed the note."""
        ours = [each for each in note.signatures if (each.name, each.key_id) == (self.name, self.key_id)]
        return any(self._made(each.signature, note.text) for each in ours)

    def _made(self, signature: bytes, text: str) -> bool:
        ed25519 = _ed25519()
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - part of the extra

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.public).verify(signature[:SIGNATURE], text.encode())
        except InvalidSignature:
            return False
        return len(signature) == SIGNATURE

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read `str(verifier)`.

        Raises:
            ValueError: it is no such key.
        """
        name, key_id, public = _parsed(text.strip(), SEED) or ("", b"", b"")
        verifier = cls(name, public)
        if not name or text.strip().startswith(_PRIVATE) or verifier.key_id != key_id:
            raise ValueError("this is no key that checks signatures (`NAME+ID+KEY`)")
        return verifier


def _parsed(text: str, size: int) -> tuple[str, bytes, bytes] | None:
    """(name, id, key) of either kind of key."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        key = base64.b64decode(encoded, validate=True)
        found = bytes.fromhex(key_id)
    except (binascii.Error, ValueError):
        return None
    if not is_key_name(name) or len(found) != KEY_ID or key[:1] != _ED25519 or len(key) != 1 + size:
        return None
    return name, found, key[1:]


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - part of the extra
    except ImportError as error:
        raise ValueError("signatures need the extra `sign`: `pip install 'toolguard-embedded[sign]'`") from error
    return ed25519
