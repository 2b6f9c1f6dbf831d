"""The reference's classifier nodes as they are written. `rewrite.py` turns each into ordinary leaves over facts.

A node holds, and its rule fires, when the call breaks one of the requirements.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from toolguard.policy.bindings import subject
from toolguard.policy.strict import Name, Refused, Strict

Port = Annotated[int, Field(ge=0, le=65535)]


def _host(text: str) -> str:
    host = text.lower().removesuffix(".")
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        pass  # it is a name
    if not host.strip(".") or set(host) & set("/:@*?[] "):
        raise ValueError(f"`{text}` is not a host: write a name, `.name` for it and all below it, or an address")
    if not host.isascii():
        raise ValueError(f"`{text}` can match nothing: write it in punycode (`xn--...`), as URLs have to")
    return host


Host = Annotated[Name, AfterValidator(_host)]


class HttpRequirements(Strict):
    """What a request has to keep to; at least one."""

    allowed_hosts: tuple[Host, ...] = Field(default=(), strict=False)
    """Only these hosts; `.example.com` means it and all below it."""
    denied_hosts: tuple[Host, ...] = Field(default=(), strict=False)
    """None of these hosts; `.example.com` means it and all below it."""
    allowed_schemes: tuple[Name, ...] = Field(default=(), strict=False)
    """Only these schemes, such as `https`."""
    allowed_methods: tuple[Name, ...] = Field(default=(), strict=False)
    """Only these methods, in any case."""
    denied_methods: tuple[Name, ...] = Field(default=(), strict=False)
    """None of these methods, in any case."""
    allowed_ports: tuple[Port, ...] = Field(default=(), strict=False)
    """Only these ports; a scheme's own port counts where none is written."""
    denied_ports: tuple[Port, ...] = Field(default=(), strict=False)
    """None of these ports."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise Refused("`require` cannot be empty: the node would never hold")
        return self


class HttpNode(Strict):
    """Where the URL and the method are, and what they have to keep to."""

    url_field: Name = "parameters.url"
    """The field with the URL."""
    method_field: Name = "parameters.method"
    """The field with the method."""
    require: HttpRequirements
    """What a request has to keep to."""

    @model_validator(mode="after")
    def _fields_are_fields(self) -> Self:
        for key in ("url_field", "method_field"):
            subject(getattr(self, key), key)
        return self


class HttpClassify(Strict):
    """Holds when a request breaks one of the requirements."""

    http_classify: HttpNode
    """The reference's node for URLs; `facts: {target: {url: parameters.url}}` says the same with leaves."""


NODES: dict[str, type[Strict]] = {"http_classify": HttpClassify}
NOT_BUILT_YET = tuple(
    name
    for name in ("sql_classify", "path_classify", "shell_classify", "write_classify", "http_classify", "llm_classify")
    if name not in NODES
)
