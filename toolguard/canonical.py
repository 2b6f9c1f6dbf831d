"""What a call is, byte for byte: a private copy, a plain view for the rules, canonical bytes, and the one hash function.

A tool call reaches us as arbitrary Python objects. Three things have to be the same thing: what the rules see, what the
ledger's digest covers, and what the tool gets. `snapshot` takes a private copy and a plain view of it in one walk, and
refuses whatever it does not understand; `encode` turns a view into bytes that two different values never share.
"""

from __future__ import annotations

import copy
import struct
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any, NoReturn
from uuid import UUID

from blake3 import blake3
from pydantic_core import to_json as _to_json

from toolguard.errors import MalformedCall

MAX_DEPTH = 64
MAX_PATH = 1000  # characters of a path, so that long keys are not copied for every value below them
MAX_ITEMS = 100_000
MAX_TEXT = 8 * 1024 * 1024  # characters and bytes of all texts of one call together
MAX_INT_BITS = 14_000  # below the interpreter's own bound of 4,300 digits for writing an integer out

# Values that cannot change and that rules see in their usual text form.
_AS_TEXT: tuple[tuple[type, Any], ...] = (
    (datetime, datetime.isoformat),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, str),
    (UUID, str),
    (PurePath, str),
)

# Subclasses of these (a numpy float, markup text) are judged, and passed on, as what they are made of.
_BASES: tuple[tuple[Any, Any], ...] = ((str, str.__str__), (int, int.__int__), (float, float.__float__))


class Walk:
    """The bounds of one walk over one call."""

    __slots__ = ("items", "text")

    def __init__(self) -> None:
        self.items = MAX_ITEMS
        self.text = MAX_TEXT

    def take(self, value: Any, path: str, depth: int) -> tuple[Any, Any]:
        """(private copy, plain view) of one value."""
        self.items -= 1
        if self.items < 0:
            refuse("the call", f"has more than {MAX_ITEMS} values")
        if depth > MAX_DEPTH:
            refuse("the call", f"is nested deeper than {MAX_DEPTH} levels")
        kind = type(value)
        if value is None or kind is bool:
            return value, value
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            scalar(self, value, path)
            return value, value
        if kind is list or kind is tuple:
            pairs = [self.take(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
            return kind(own for own, _ in pairs), [view for _, view in pairs]
        if kind is dict:
            return self.take_mapping(value, path, depth)
        return self.take_other(value, path, depth)

    def take_mapping(self, value: dict[Any, Any], path: str, depth: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """A mapping whose keys are text."""
        own, view = {}, {}
        for key, item in value.items():
            if type(key) is not str:
                refuse(path, f"has a key that is {kind_name(key)}, not text")
            self.check_text(key, path)
            own[key], view[key] = self.take(item, f"{path}.{key if key.isidentifier() else hidden(key)}"[:MAX_PATH], depth + 1)
        return own, view

    def take_other(self, value: Any, path: str, depth: int) -> tuple[Any, Any]:
        """Everything that is not plain JSON: seen by the rules in a plain form, given to the tool as it is or copied."""
        if isinstance(value, Enum):
            view = self.take(value.value, path, depth + 1)[1]
            if isinstance(view, (list, dict)):
                refuse(path, "is an enumeration member whose value can change")
            return value, view
        for kind, text in _AS_TEXT:
            if isinstance(value, kind):
                return value, self.take(text(value), path, depth)[1]
        for base, plain in _BASES:
            if isinstance(value, base):
                return self.take(plain(value), path, depth)
        if isinstance(value, (set, frozenset)):
            pairs = [self.take(item, path, depth + 1) for item in value]
            kind = frozenset if isinstance(value, frozenset) else set
            return kind(own for own, _ in pairs), sorted((view for _, view in pairs), key=encode)
        named = named_fields(value)
        if named is None:
            refuse(path, f"is {kind_name(value)}, which is not plain data")
        try:
            own = copy.deepcopy(value)
        except Exception as error:  # noqa: BLE001 - whatever a foreign object raises, the call is refused
            refuse(path, f"cannot be copied: {error}")
        return own, self.take_mapping(named_fields(own) or {}, path, depth)[1]

    def check_text(self, value: str | bytes, path: str) -> None:
        """Text, or bytes, within the bounds."""
        self.text -= len(value)
        if self.text < 0:
            refuse("the call", f"holds more than {MAX_TEXT} characters of text")
        if type(value) is str and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                refuse(path, "holds a lone surrogate, which is not text")

    def check_float(self, value: float, path: str) -> None:
        """A number that is one."""
        if not isfinite(value):
            refuse(path, "is not a finite number")

    def check_decimal(self, value: Decimal, path: str) -> None:
        """A number that is one."""
        if not value.is_finite():
            refuse(path, "is not a finite number")

    def check_int(self, value: int, path: str) -> None:
        """A whole number within the bounds."""
        if value.bit_length() > MAX_INT_BITS:
            refuse(path, f"is an integer of more than {MAX_INT_BITS} bits")


_SCALARS: dict[type, Any] = {
    str: Walk.check_text,
    int: Walk.check_int,
    float: Walk.check_float,
    Decimal: Walk.check_decimal,
    bytes: Walk.check_text,
}


def hidden(key: str) -> str:
    """A key that is no name, and so may be a value itself, as it is shown where parameters must not be."""
    return f"<{len(key)} characters>"


def snapshot(value: Any, path: str = "parameters") -> tuple[Any, Any]:
    """A private copy to hand to the tool, and a plain view (JSON types, Decimal, bytes) for rules, digest and record.

    Nobody else holds the copy's lists and mappings, so what was judged cannot be changed afterwards.

    Raises:
        MalformedCall: not plain data, not finite, text that is not text, or past the bounds above; says where.
    """
    try:
        return Walk().take(value, path, 0)
    except MalformedCall:
        raise
    except Exception as error:  # whatever a foreign object raises while it is read, the call is refused
        raise MalformedCall(f"`{path}` cannot be read ({type(error).__name__})") from error


def encode(view: Any) -> bytes:
    """Canonical bytes of a plain view: every value tagged with its type and length, mappings ordered by key.

    `1`, `1.0`, `"1"` and `True` all differ, and no two views share their bytes.
    """
    out: list[bytes] = []
    _encode(view, out.append)
    return b"".join(out)


def _encode(view: Any, put: Any) -> None:
    kind = type(view)
    if kind is str:
        data = view.encode()
        put(b"s%d:" % len(data) + data)
    elif view is None:
        put(b"n")
    elif kind is bool:
        put(b"t" if view else b"f")
    elif kind is int:
        put(b"i%x;" % view if view >= 0 else b"i-%x;" % -view)
    elif kind is float:
        put(b"d" + struct.pack(">d", view))
    elif kind is dict:
        put(b"o%d:" % len(view))
        for key in sorted(view):
            _encode(key, put)
            _encode(view[key], put)
    elif kind is list or kind is tuple:
        put(b"l%d:" % len(view))
        for item in view:
            _encode(item, put)
    elif kind is bytes:
        put(b"b%d:" % len(view) + view)
    elif kind is Decimal:
        data = str(view).encode()
        put(b"m%d:" % len(data) + data)
    else:
        refuse("a value", f"is {kind_name(view)}, which has no canonical form")


def digest(data: bytes) -> bytes:
    """The one hash function: BLAKE3, 32 bytes."""
    return blake3(data).digest()


def keyed_digest(key: bytes, data: bytes) -> bytes:
    """The hash function with a key of 32 bytes: only who has the key can make it (BLAKE3's keyed mode)."""
    return blake3(data, key=key).digest()


def to_json(value: Any) -> bytes:
    """Compact JSON for what is stored; bytes become base64, Decimal its text."""
    return _to_json(value, bytes_mode="base64", inf_nan_mode="strings")


def kind_name(value: Any) -> str:
    """What a value is, in words for an error message."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", Decimal: "a number"}
    names |= {str: "text", bytes: "bytes", list: "a list", tuple: "a list", dict: "a mapping"}
    return names.get(type(value)) or f"an object of type `{type(value).__name__}`"


def named_fields(value: Any) -> dict[str, Any] | None:
    """Fields of a dataclass or pydantic model instance by name, None for anything else."""
    if isinstance(value, (type, dict, list, tuple)) or getattr(value, "__pydantic_private__", None):
        return None
    declared = getattr(type(value), "model_fields", None)  # pydantic, recognised without importing it
    if is_dataclass(value):
        named = {f.name: getattr(value, f.name) for f in fields(value)}
    elif isinstance(declared, dict):
        named = {name: getattr(value, name) for name in declared} | (getattr(value, "model_extra", None) or {})
    else:
        return None
    return named if getattr(value, "__dict__", {}).keys() <= named.keys() else None  # state that no rule would see


def refuse(path: str, why: str) -> NoReturn:
    """Raise MalformedCall for one place of the call."""
    subject = path if path.startswith(("the ", "a ")) else f"`{path}`"
    raise MalformedCall(f"{subject} {why}")
