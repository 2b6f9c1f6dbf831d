"""Whose answers count: people with their roles and keys, and services that may answer for people they have authenticated.

They are given to the guard as a mapping from keys to roles, or kept in a file that `toolguard approvers` writes. The file is
read again whenever it has changed, so that whoever is revoked is revoked at once. It has no secrets: of tokens it holds hashes.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.audit.sign import Verifier
from toolguard.canonical import digest
from toolguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from toolguard.audit.note import Note

ANY_ROLE = "*"
PERSON, CLIENT, OPERATOR = "person", "client", "operator"
KINDS = (PERSON, CLIENT, OPERATOR)
VERSION = 1
MAX_SIZE = 4 * 2**20  # characters; what is longer is cut off, and so cannot be read


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is known: a `person` who may answer, a `client` program that may ask, an `operator` who may look and reload.

    `keys` sign answers outside of any service, `token` is the hash of what a service knows them by. A client with an
    `agent_id` asks in that name only. `revoked` is when that was, in nanoseconds since 1970.
    """

    name: str
    kind: str = PERSON
    roles: frozenset[str] = frozenset()
    keys: tuple[Verifier, ...] = ()
    token: str | None = None
    agent_id: str | None = None
    added: int = 0
    revoked: int | None = None

    def may_answer_for(self, role: str | None) -> bool:
        """Whether an escalation to this role is theirs to answer."""
        return self.kind == PERSON and (ANY_ROLE in self.roles or role in self.roles)

    def to_dict(self) -> dict[str, Any]:
        """As the file has it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "roles": sorted(self.roles),
            "keys": [str(key) for key in self.keys],
            "token": self.token,
            "agent_id": self.agent_id,
            "added": self.added,
            "revoked": self.revoked,
        }


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who is known, by name, and the services whose signature stands for the person they name."""

    known: Mapping[str, Principal] = field(default_factory=dict)
    services: tuple[Verifier, ...] = ()

    def signer_of(self, note: Note, by: str) -> Principal | None:
        """The person whose answer this is, if that person, or a service, has signed it."""
        person = self.known.get(by)
        if person is None or person.revoked is not None or person.kind != PERSON:
            return None
        return person if any(key.accepts(note) for key in (*person.keys, *self.services)) else None

    def to_json(self) -> str:
        """As the file has it."""
        known = [self.known[name].to_dict() for name in sorted(self.known)]
        return json.dumps({"toolguard_people": VERSION, "people": known, "services": list(map(str, self.services))}, indent=1)

    @classmethod
    def of(cls, keys: Mapping[str, Sequence[str]]) -> People:
        """`NAME+ID+KEY` of each with roles; keys of one name belong to one person.

        Raises:
            ValueError: a key is none, or roles are no list.
        """
        known: dict[str, Principal] = {}
        for text, roles in keys.items():
            if not isinstance(roles, (list, tuple, set, frozenset)):
                raise ValueError("`approvers` says for each key which roles it may answer for, as a list (`['*']`: every role)")  # noqa: TRY004
            key = Verifier.parse(text)
            before = known.get(key.name, Principal(key.name))
            known[key.name] = Principal(key.name, roles=before.roles | frozenset(roles), keys=(*before.keys, key))
        return cls(known)

    @classmethod
    def parse(cls, text: str) -> People:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            content = json.loads(text)
            if content["toolguard_people"] != VERSION:
                raise ValueError("it is of a version that is not known")
            found = [_principal(each) for each in content["people"]]
            return cls({each.name: each for each in found}, tuple(_keys(content["services"])))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is no list of approvers ({type(error).__name__})") from None


def _principal(given: Mapping[str, Any]) -> Principal:
    roles, keys = frozenset(map(str, given["roles"])), tuple(_keys(given["keys"]))
    one = Principal(**{**given, "name": str(given["name"]), "roles": roles, "keys": keys})
    if one.kind not in KINDS:
        raise ValueError(f"there is no kind `{one.kind}`")
    return one


def _keys(texts: Iterable[str]) -> list[Verifier]:
    return [Verifier.parse(text) for text in texts]


class PeopleFile:
    """The people of a file, read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[Any, People] | None = None

    def __call__(self) -> People:
        """Who is known now.

        Raises:
            StoreError: the file cannot be read, or holds something else.
        """
        try:
            stat = self.path.stat()
            signature = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
            if self._seen is not None and self._seen[0] == signature:
                return self._seen[1]
            with self.path.open(encoding="utf-8") as file:
                people = People.parse(file.read(MAX_SIZE))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise StoreError(f"the approvers in `{self.path}` cannot be read: {why.lower()}") from None
        self._seen = signature, people
        return people

    def write(self, people: People) -> None:
        """Put these in its place, all or nothing; a new file is its owner's only.

        Raises:
            OSError: it cannot be written.
        """
        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o600
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(people.to_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self.path)  # noqa: PTH105 - as the rest of these lines
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def people_of(given: Mapping[str, Sequence[str]] | str | Path) -> Callable[[], People]:
    """What tells who is known, of what a program gives as `approvers`.

    Raises:
        ValueError: a key is none, or roles are no list.
        StoreError: the file cannot be read.
    """
    if isinstance(given, (str, Path)):
        file = PeopleFile(Path(given))
        file()  # what cannot be read is better said now than at the first escalation
        return file
    people = People.of(given)
    return lambda: people


def hash_of_token(token: str) -> str:
    """What is kept of a token (256 random bits, so that a plain hash tells nothing)."""
    return digest(b"toolguard token\n" + token.encode(errors="surrogatepass")).hex()
