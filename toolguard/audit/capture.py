r"""What a record keeps of a call's parameters: a commitment to each in the chain, and beside it what opens the commitment.

    commitment = BLAKE3("toolguard parameter\n" + salt + text)      text = JSON of [name, value]; 32 random bytes of salt

The chain holds the commitments. Salts, and texts as far as the capture mode keeps them, lie beside the record in its payload:
they can be disclosed one by one, left out of an export, or erased, and the chain verifies all the same. Without its salt a
commitment says nothing, not even about a value that could be guessed. The record also seals all that is
kept beside it, and an erasure what is kept from then on (`seal_of_payload`), so that a salt which is another one shows, too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolguard.audit.chance import random_bytes
from toolguard.canonical import digest, to_json
from toolguard.errors import LedgerCorrupt
from toolguard.model import CAPTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

NONE, DIGEST, REDACTED, FULL = CAPTURES
TOGETHER = "*"  # the name under which parameters are sealed together, when there are too many of them or no plain names
MAX_PARAMETERS = 100
MAX_SHOWN_DIGITS = 8  # longer numbers may be a card's, a person's or an account's
_PLAIN_NAME = re.compile(r"[^\W\d][\w.-]{0,63}")
_DOMAIN = b"toolguard parameter\n"
_PAYLOAD_DOMAIN = b"toolguard payload\n"


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens one commitment: its salt (hex), and the text that was committed to, if it was kept."""

    salt: str
    text: str | None = None

    def commitment(self, text: str | None = None) -> str:
        """The commitment (hex) to this text, or to the one that was kept."""
        return committed(bytes.fromhex(self.salt), (text if text is not None else self.text or "").encode())


@dataclass(frozen=True, slots=True)
class Captured:
    """`sealed` goes into the record, `payload` lies beside it."""

    sealed: dict[str, Any]
    payload: bytes | None


def committed(salt: bytes, text: bytes) -> str:
    """The commitment (hex) to a text."""
    return digest(_DOMAIN + salt + text).hex()


def seal_of_payload(payload: bytes | None) -> str | None:
    """What a record says of its payload (hex); None where there is none."""
    return None if payload is None else digest(_PAYLOAD_DOMAIN + payload).hex()


def capture(params: Mapping[str, Any], mode: str, random: Callable[[], bytes] = random_bytes) -> Captured:
    """Seal parameters (plain data) and keep of them what the mode says.

    `none` seals nothing, `digest` keeps the salts, `redacted` also a view without texts and long numbers, `full` everything.
    """
    if mode == NONE:
        return Captured({"capture": mode}, None)
    if len(params) > MAX_PARAMETERS or not all(map(is_plain_name, params)):
        params = {TOGETHER: params}
    if not params:
        return Captured({"capture": mode, "params": {}}, None)
    sealed: dict[str, str] = {}
    kept: dict[str, dict[str, str]] = {}
    for name, value in params.items():
        salt, text = random(), to_json([name, value])
        sealed[name] = committed(salt, text)
        kept[name] = {"salt": salt.hex(), "text": text.decode()} if mode == FULL else {"salt": salt.hex()}
    content: dict[str, Any] = {"capture": mode, "params": sealed}
    payload: dict[str, Any] = {"params": kept}
    if mode == REDACTED:
        salt, text = random(), to_json(redacted(params))
        content["redacted"] = committed(salt, text)
        payload["redacted"] = {"salt": salt.hex(), "text": text.decode()}
    return Captured(content, to_json(payload))


def is_plain_name(name: str) -> bool:
    """Whether this names something, and is not itself a value: an address, a card's number, a text."""
    return _PLAIN_NAME.fullmatch(name) is not None and sum(map(str.isdigit, name)) <= MAX_SHOWN_DIGITS


def redacted(value: Any) -> Any:
    """The shape of a value: numbers of up to eight digits, booleans and null as they are, of everything else only the size.

    Keys that are no plain names are values, too.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        shown = (name if is_plain_name(name) else f"<{len(name)} characters, {place}>" for place, name in enumerate(value, 1))
        return dict(zip(shown, map(redacted, value.values()), strict=True))
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if isinstance(value, (int, float, Decimal)):
        digits = sum(c.isdigit() for c in str(value))
        return value if digits <= MAX_SHOWN_DIGITS else f"<number of {digits} digits>"
    what = "bytes" if isinstance(value, bytes) else "characters"
    return f"<{len(value)} {what}>"


def openings(payload: bytes | None) -> dict[str, Opening]:
    """What a payload still opens, by `params.NAME`, and `redacted`.

    Raises:
        LedgerCorrupt: it is no payload.
    """
    if payload is None:
        return {}
    try:
        content = json.loads(payload)
        found = {f"params.{name}": Opening(**entry) for name, entry in content.get("params", {}).items()}
        return found | ({"redacted": Opening(**content["redacted"])} if "redacted" in content else {})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LedgerCorrupt(f"a payload cannot be read: {type(error).__name__}") from None


def disclosed(payload: bytes | None, names: Iterable[str] | None) -> dict[str, Opening]:
    """What is kept under these names of parameters, or as the `redacted` view; None means everything that is kept."""
    kept = {name: opening for name, opening in openings(payload).items() if opening.text is not None}
    if names is None:
        return kept
    wanted = {name if name == REDACTED else f"params.{name}" for name in names}
    return {name: opening for name, opening in kept.items() if name in wanted}


def commitments(content: Mapping[str, Any]) -> dict[str, str]:
    """The commitments in a record, under the names that `openings` uses."""
    call = content.get("call")
    if not isinstance(call, dict) or not isinstance(call.get("params"), dict):
        return {}
    found = {f"params.{name}": value for name, value in call["params"].items()}
    return found | ({"redacted": call["redacted"]} if "redacted" in call else {})


def without(payload: bytes | None, names: Iterable[str]) -> bytes | None:
    """A payload that no longer opens these names, None when it opens nothing any more."""
    left = {name: opening for name, opening in openings(payload).items() if name not in set(names)}
    if not left:
        return None
    content: dict[str, Any] = {"params": {}}
    for name, opening in left.items():
        entry = {"salt": opening.salt} | ({"text": opening.text} if opening.text is not None else {})
        if name == "redacted":
            content["redacted"] = entry
        else:
            content["params"][name.removeprefix("params.")] = entry
    return to_json(content)


def wrong_opening(content: Mapping[str, Any], payload: bytes | None) -> str | None:
    """The first name whose kept text is not what the record's commitment seals; None when all of them fit."""
    sealed = commitments(content)
    for name, opening in openings(payload).items():
        try:
            fits = name in sealed and (opening.text is None or opening.commitment() == sealed[name])
        except (TypeError, ValueError, AttributeError):
            fits = False
        if not fits:
            return name
    return None
