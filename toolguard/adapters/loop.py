"""Calls of a loop that runs functions of a registry: judged, run, and answered with a text for the model."""

from __future__ import annotations

import inspect
import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from toolguard.adapters.gate import ASK, GO, Gate, Ruling
from toolguard.arguments import arguments_of
from toolguard.canonical import snapshot
from toolguard.errors import MalformedCall, ToolDenied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Unpack

    from toolguard.point import Who

_logger = logging.getLogger("toolguard")


class Said(NamedTuple):
    """What the model is told of one call, and whether it failed."""

    text: str
    failed: bool


class Tools:
    """A registry of functions behind a gate. An escalated call waits, as guarded functions do."""

    def __init__(self, gate: Gate, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._gate, self._functions = gate, functions

    def call(self, name: str, arguments: Mapping[str, Any] | str | None, **who: Unpack[Who]) -> Said:
        """Judge and run one call. Never raises but for a coroutine, which needs `call_async` (TypeError)."""
        own = _own(arguments)
        ruling = self._gate.ruling(name, own, **who)
        if ruling.kind == ASK:
            ruling = self._gate.waited(ruling)
        function = self._functions.get(name)
        if ruling.kind != GO or function is None:
            return _not_run(ruling, name)
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"`{name}` is a coroutine: use the asynchronous form")
        try:
            return Said(_as_text(self._gate.run(ruling, lambda: function(**arguments_of(ruling.arguments(own))))), failed=False)
        except Exception as error:  # noqa: BLE001 - told to the model, and logged
            return _failed(name, error)

    async def call_async(self, name: str, arguments: Mapping[str, Any] | str | None, **who: Unpack[Who]) -> Said:
        """As `call`, for coroutines and functions; these run in a thread."""
        own = _own(arguments)
        ruling = await self._gate.ruling_async(name, own, **who)
        if ruling.kind == ASK:
            ruling = await self._gate.waited_async(ruling)
        function = self._functions.get(name)
        if ruling.kind != GO or function is None:
            return _not_run(ruling, name)

        async def run() -> Any:
            import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

            made = arguments_of(ruling.arguments(own))
            return await (function(**made) if inspect.iscoroutinefunction(function) else asyncio.to_thread(function, **made))

        try:
            return Said(_as_text(await self._gate.run_async(ruling, run)), failed=False)
        except Exception as error:  # noqa: BLE001 - told to the model, and logged
            return _failed(name, error)


def _own(arguments: Mapping[str, Any] | str | None) -> Any:
    """A copy that nobody changes while the call waits; as they are, where they are no arguments (the gate refuses them)."""
    try:
        return snapshot(arguments_of(arguments))[0]
    except MalformedCall:
        return arguments


def _not_run(ruling: Ruling, name: str) -> Said:
    return Said(ruling.text if ruling.kind != GO else f"There is no tool `{name}`.", failed=True)


def _failed(name: str, error: Exception) -> Said:
    if isinstance(error, ToolDenied):
        return Said(error.message_for_model(), failed=True)
    _logger.error("the tool `%s` failed", name, exc_info=error)
    return Said(f"The tool `{name}` failed: {type(error).__name__}.", failed=True)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
