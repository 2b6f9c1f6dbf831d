"""Guarding functions that are defined somewhere else: one, or a registry of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from toolguard.enforce import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from toolguard.errors import ToolDenied
    from toolguard.point import DecisionPoint

P = ParamSpec("P")
R = TypeVar("R")


class Wrapping:
    """What a decision point can do with functions."""

    def wrap(
        self,
        tool: Callable[P, R],
        *,
        name: str | None = None,
        group: str | None = None,
        injected: Iterable[str] = (),
        on_deny: Callable[[ToolDenied], Any] | None = None,
    ) -> Callable[P, R]:
        """The tool, guarded; what `@guarded` does to a function that is defined somewhere else. `name`: as policies call it."""
        return guarded(cast("DecisionPoint", self), tool=name, group=group, injected=injected, on_deny=on_deny)(tool)

    def wrap_registry(
        self,
        tools: Mapping[str, Callable[..., Any]],
        *,
        groups: Mapping[str, str] | None = None,
        on_deny: Callable[[ToolDenied], Any] | None = None,
    ) -> dict[str, Callable[..., Any]]:
        """Every tool of a registry, guarded under the name it has there. `groups`: the group of each, by name.

        For loops of your own: `on_deny=ToolDenied.message_for_model` gives the model the reason as the tool's result.
        """
        known = groups or {}
        return {name: self.wrap(tool, name=name, group=known.get(name), on_deny=on_deny) for name, tool in tools.items()}
