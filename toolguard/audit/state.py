"""What records say of the state that is kept beside them: under each key they changed, the digest of what it holds since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolguard.canonical import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.stores.state import Changes, State

SEAL_LENGTH = 64  # hexadecimal digits
_SHORT = 16  # bytes of a digest that are remembered of each key: there may be many
_DOMAIN = b"toolguard state\n"


def seal_of_state(body: bytes) -> str:
    """What a record says of a key it changed (hex)."""
    return digest(_DOMAIN + body).hex()


def with_state(said: dict[str, Any], changes: Changes, state: State) -> dict[str, Any]:
    """Make the changes, and put them into what a record says: behind the seal of its payload, before all else."""
    if not changes.made:
        return said
    for key, body in changes.made.items():
        state.put(key, body)
    kept = {"kept": said["kept"]} if "kept" in said else {}
    return {**kept, "state": {key: body and seal_of_state(body) for key, body in changes.made.items()}, **said}


def claim(claimed: dict[bytes, bytes], state: Any) -> None:
    """Remember what a record says that the state holds since: by key, a digest of what is kept (nothing: no bytes)."""
    for key, seal in state.items() if isinstance(state, dict) else ():
        claimed[_short(key)] = bytes.fromhex(seal)[:_SHORT] if isinstance(seal, str) else b""


def differs(claimed: Mapping[bytes, bytes], state: Mapping[str, bytes], *, all_seen: bool) -> str | None:
    """What of the state is not what the records say, in words. Without all records, keys that none names may be theirs."""
    for key, body in state.items():
        said = claimed.get(_short(key))
        if (said is None and all_seen) or (said is not None and said != bytes.fromhex(seal_of_state(body))[:_SHORT]):
            return f"the counter `{key[:200]}` is not what the records say"
    kept = sum(1 for key in state if claimed.get(_short(key)))
    if kept < sum(1 for said in claimed.values() if said):
        return "a counter that the records name is gone"
    return None


def _short(key: str) -> bytes:
    return digest(_DOMAIN + key.encode("utf-8", "surrogateescape"))[:_SHORT]
