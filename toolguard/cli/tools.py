"""`--tools module:registry`: the tools of a program and their parameters, read from the functions' signatures."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from toolguard.cli.terminal import UsageError

if TYPE_CHECKING:
    from toolguard.policy.advice import Tools

_RECEIVERS = ("self", "cls")


def tools_of(reference: str) -> Tools:
    """The parameters of every tool in `module:registry`: a mapping from name to function, or an iterable of functions.

    Raises:
        UsageError: there is no such module or registry, or it holds something else.
    """
    registry = _imported(reference)
    if isinstance(registry, Mapping):
        named = list(registry.items())
    elif isinstance(registry, Iterable) and not isinstance(registry, (str, bytes)):
        named = [(getattr(tool, "__name__", None), tool) for tool in registry]
    else:
        raise UsageError(f"`{reference}` is neither a mapping from names to functions nor a list of functions")
    for name, tool in named:
        if not isinstance(name, str) or not callable(tool):
            raise UsageError(f"`{reference}` holds something that is not a function with a name: `{name or tool!r}`")
    return {name.casefold(): _parameters(tool) for name, tool in named}


def _imported(reference: str) -> Any:
    module, colon, name = reference.partition(":")
    if not (module and colon and name):
        raise UsageError(f"`{reference}` is not of the form `module:registry`")
    sys.path.insert(0, "")  # the working directory, as with `python -m`
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # the module is the user's, and can fail in any way; nothing is decided here
        raise UsageError(f"`{module}` cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove("")
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"`{module}` has no `{name}`")
        found = getattr(found, part)
    return found


def _parameters(tool: Any) -> frozenset[str] | None:
    """The names a call can use; None where any will do. `functools.wraps` is looked through."""
    try:
        parameters = inspect.signature(tool).parameters.values()
    except (TypeError, ValueError):  # a builtin does not say
        return None
    if any(parameter.kind == Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    names = [parameter.name for parameter in parameters]
    return frozenset(names[1:] if names[:1] and names[0] in _RECEIVERS else names)
