"""The OpenAPI document, made from the routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolguard.gateway import schemas
from toolguard.release import version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolguard.gateway.routes import Route

# What every authenticated route may say besides.
EVERYWHERE = {
    400: "The request cannot be read",
    401: "No token, or one that is not known",
    403: "Not for this principal",
    429: "Too often",
}
WITH_A_BODY = {413: "The body is too large", 415: "The body is no JSON"}
OWN = {
    200: "Done",
    202: "It waits for a person",
    404: "No such call",
    409: "It does not wait any more",
    422: "A policy was refused",
}
UNAVAILABLE = {503: "It cannot judge now"}


def openapi(routes: Iterable[Route]) -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "toolguard",
            "version": version(),
            "description": "Decides proposed tool calls, and has people answer.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    errors = {**EVERYWHERE, **(WITH_A_BODY if route.method == "POST" else {}), **UNAVAILABLE}
    said = {status: _answer({**OWN, **errors}[status], schema) for status, schema in route.answers.items()}
    said |= {status: _answer(what, schemas.ERROR) for status, what in errors.items() if status not in said}
    query = [{"name": name, "in": "query", "schema": schema} for name, schema in route.query.items()]
    path = [{"name": "id", "in": "path", "required": True, "schema": schemas.TEXT}] if "{id}" in route.path else []
    body = {"requestBody": {"required": True, "content": _json(route.body)}} if route.body is not None else {}
    return {
        "summary": route.summary,
        "description": f"For: {', '.join(route.who)}.",
        "operationId": route.serve.__name__,
        "parameters": [*path, *query],
        **body,
        "responses": {str(status): one for status, one in said.items()},
    }


def _answer(what: str, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    content = {"text/plain": {"schema": schemas.TEXT}} if schema is None else _json(schema)
    return {"description": what, "content": content}


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
