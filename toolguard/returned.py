"""What a tool has returned: there, more of Python's containers are plain data, and keys may be numbers or dates.

A call is what a model wrote, and so is JSON. What comes back is made by a program: rows, counters, queues.
"""

from __future__ import annotations

from collections import ChainMap, OrderedDict, UserDict, deque
from decimal import Decimal
from math import isfinite
from sqlite3 import Row
from types import MappingProxyType, SimpleNamespace
from typing import Any

from toolguard.canonical import Walk, kind_name, refuse
from toolguard.errors import MalformedCall

# What each of them is made of. A redacted one is passed on as that.
_MADE_OF: dict[type, Any] = {
    bytearray: bytes,
    memoryview: bytes,
    deque: list,
    type({}.keys()): list,
    type({}.values()): list,
    type({}.items()): list,
    ChainMap: dict,
    UserDict: dict,
    MappingProxyType: dict,
    SimpleNamespace: vars,
}
# A class of somebody's own is what it inherits from if it is read in the same way.
_READ_BY = ("__iter__", "__getitem__", "__len__", "get", "keys", "values", "items")


class _Returned(Walk):
    """The walk over a result."""

    def take(self, value: Any, path: str, depth: int) -> tuple[Any, Any]:
        if isinstance(value, (float, Decimal)) and not isfinite(value):
            return value, str(value)
        return super().take(value, path, depth)

    def take_mapping(self, value: dict[Any, Any], path: str, depth: int) -> tuple[dict[Any, Any], dict[str, Any]]:
        if all(type(key) is str for key in value):
            return super().take_mapping(value, path, depth)
        names = [key_text(key) for key in value]
        for key, name in zip(value, names, strict=True):
            if name is None:
                refuse(path, f"has a key that is {kind_name(key)}, not text")
        if len(set(names)) < len(names):
            refuse(path, "has two keys that read the same")
        own, view = super().take_mapping(dict(zip(names, value.values(), strict=True)), path, depth)
        return dict(zip(value, own.values(), strict=True)), view

    def take_other(self, value: Any, path: str, depth: int) -> tuple[Any, Any]:
        if _is_read_as(value, tuple):
            own, view = self.take(tuple(value), path, depth)
            return like(value, own), view
        plain = _made_of(value)
        return super().take_other(value, path, depth) if plain is None else self.take(plain, path, depth)


def returned(value: Any, path: str = "result") -> tuple[Any, Any]:
    """A private copy and a plain view of a result, as `canonical.snapshot` makes them of parameters.

    Raises:
        MalformedCall: no plain data, text that is not text, or past the bounds; says where.
    """
    try:
        return _Returned().take(value, path, 0)
    except MalformedCall:
        raise
    except Exception as error:  # whatever a foreign object raises while it is read
        raise MalformedCall(f"`{path}` cannot be read ({type(error).__name__})") from error


def key_text(key: Any) -> str | None:
    """A key of a private copy as the plain view has it; None for one that is no single value."""
    if type(key) is str:
        return key
    view = returned(key)[1]
    return None if isinstance(view, (list, dict, bytes)) else str(view)


def like(value: Any, items: Any) -> Any:
    """A list, tuple or set of the same kind with these items."""
    if type(value) in (list, tuple, set, frozenset) or not isinstance(value, tuple):
        return type(value)(items)
    return tuple.__new__(type(value), items) if hasattr(type(value), "_fields") else tuple(items)


def _made_of(value: Any) -> Any:
    """The plain container in its place, None if there is none."""
    make = _MADE_OF.get(type(value))
    if make is not None:
        return make(value)
    if type(value) is Row:
        names = value.keys()
        return dict(zip(names, value, strict=True)) if len(set(names)) == len(names) else list(value)
    if _is_read_as(value, OrderedDict) or _is_read_as(value, dict):
        return dict(value)
    return list(value) if _is_read_as(value, list) else None


def _is_read_as(value: Any, base: type) -> bool:
    kind, state = type(value), getattr(value, "__dict__", None)
    if not isinstance(value, base) or (state and state is not value):
        return False
    return all(getattr(kind, name, None) is getattr(base, name, None) for name in _READ_BY)
