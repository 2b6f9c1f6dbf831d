"""The arguments of a call as a model or a client wrote them: one strict reader of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from toolguard.errors import MalformedCall


def arguments_of(params: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """The arguments of a call. Text has to be one JSON object in which no name stands twice: readers differ in which counts.

    Raises:
        MalformedCall: they are something else.
    """
    given: Any = params
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}", object_pairs_hook=_once, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise MalformedCall(f"the arguments are no JSON ({error})") from None
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise MalformedCall("the arguments are no object")
    return dict(given)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise MalformedCall("a name stands twice in the arguments")
    return made


def _no_number(text: str) -> Any:
    raise MalformedCall(f"`{text}` is no number")
