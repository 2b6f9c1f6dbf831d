"""From a call's arguments to parameters by name, and back: rules see every argument under the parameter's own name.

`inspect.Signature.bind` would take as long as fifteen decisions, so a function with the tool's own signature is generated
once and Python's own call machinery does the binding.
"""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from toolguard.errors import MalformedCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_RECEIVERS = ("self", "cls")
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Binding:
    """How one function's arguments become named parameters.

    Raises:
        TypeError: the function has no signature, or no parameter of an `injected` name.
    """

    def __init__(self, function: Callable[..., Any], injected: Iterable[str] = ()) -> None:
        self.signature = inspect.signature(function)
        kinds = {name: parameter.kind for name, parameter in self.signature.parameters.items()}
        self._positional = [name for name, kind in kinds.items() if kind in _POSITIONAL]
        self._rest = next((name for name, kind in kinds.items() if kind == Parameter.VAR_POSITIONAL), None)
        self._extra = next((name for name, kind in kinds.items() if kind == Parameter.VAR_KEYWORD), None)
        self._declared = [name for name in kinds if name != self._extra]
        self.injected = set(injected) | {name for name in self._positional[:1] if name in _RECEIVERS}
        unknown = self.injected - set(self._declared)
        if unknown:
            raise TypeError(f"there is no parameter `{min(unknown)}` to inject")
        self._bind = generated_binder(self.signature, getattr(function, "__name__", "tool"))

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(parameters to judge, injected ones), defaults applied; each keyword of `**kwargs` under its own name.

        Raises:
            MalformedCall: the arguments do not fit the signature, or an extra keyword has the name of a declared parameter, so
                that a rule could not tell them apart.
        """
        try:
            params: dict[str, Any] = self._bind(*args, **kwargs)
        except TypeError as misfit:
            raise MalformedCall(str(misfit)) from None
        if self._extra is not None:
            extra = params.pop(self._extra)
            twice = extra.keys() & params.keys()
            if twice:
                raise MalformedCall(f"`{min(twice)}` is given twice")
            params |= extra
        return params, {name: params.pop(name) for name in self.injected}

    def spread(self, params: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments that pass these parameters to the function."""
        keywords = dict(params)
        positional = [keywords.pop(name) for name in self._positional]
        if self._rest is not None:
            positional += keywords.pop(self._rest)
        return positional, keywords

    def filled(self, params: dict[str, Any]) -> dict[str, Any]:
        """Parameters of which some were taken away, with the defaults of these.

        Raises:
            MalformedCall: the function needs one of them.
        """
        made = dict(params)
        for name in self._declared:
            if name in made or name in self.injected:
                continue
            default = [] if name == self._rest else self.signature.parameters[name].default
            if default is Parameter.empty:
                raise MalformedCall(f"the tool needs `{name}`")
            made[name] = default
        return made


def generated_binder(signature: inspect.Signature, name: str) -> Callable[..., dict[str, Any]]:
    """A function with this signature that returns its arguments by name. Defaults are handed in, never written out."""
    defaults: dict[str, Any] = {}
    plain = []
    for index, parameter in enumerate(signature.parameters.values()):
        if parameter.default is not Parameter.empty:
            defaults[f"default_{index}"] = parameter.default
            parameter = parameter.replace(default=_Written(f"default_{index}"))  # noqa: PLW2901 - the same one, bare
        plain.append(parameter.replace(annotation=Parameter.empty))
    header = str(inspect.Signature(plain))
    names = ", ".join(f"{parameter!r}: {parameter}" for parameter in signature.parameters)
    scope: dict[str, Any] = {}
    exec(f"def bind{header}: return {{{names}}}", defaults, scope)  # noqa: S102 - names come from a compiled function
    binder = scope["bind"]
    binder.__name__ = binder.__qualname__ = name  # Python's own "missing argument" error then names the tool
    return binder  # type: ignore[no-any-return]


class _Written(str):
    """A name that `str(Signature)` writes without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
