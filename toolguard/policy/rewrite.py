"""The reference's classifier nodes rewritten, at load, into facts and ordinary leaves: the engine knows no other form.

To add a node: its models in `nodes.py`, and here one function from the node to its condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolguard.policy import rewrite_paths, rewrite_sql
from toolguard.policy.bindings import known_facts
from toolguard.policy.condition import All, AnyOf, Leaf, Not
from toolguard.policy.fields import parse_field
from toolguard.policy.nodes import NODES, HttpClassify, PathClassify, ShellClassify, SqlClassify, WriteClassify

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.policy.condition import Condition
    from toolguard.policy.document import Policy
    from toolguard.policy.node_llm import LlmClassify, LlmNode
    from toolguard.policy.nodes import HttpNode

Given = dict[str, Any]  # a condition as a policy would write it


def without_nodes(policy: Policy) -> Policy:
    """The same policy with every classifier node written as leaves over `facts:` of their own."""
    facts = dict(policy.facts)
    rules = tuple(rule.model_copy(update={"conditions": _rewritten(rule.conditions, facts)}) for rule in policy.rules)
    return policy.model_copy(update={"rules": rules, "facts": facts}) if facts != policy.facts else policy


def _rewritten(node: Condition, facts: dict[str, dict[str, str]]) -> Condition:
    if isinstance(node, Not):
        return node.model_copy(update={"not_": _rewritten(node.not_, facts)})
    if isinstance(node, All):
        return node.model_copy(update={"and_": tuple(_rewritten(each, facts) for each in node.and_)})
    if isinstance(node, AnyOf):
        return node.model_copy(update={"or_": tuple(_rewritten(each, facts) for each in node.or_)})
    if isinstance(node, Leaf):
        return node
    kind = next(name for name, model in NODES.items() if isinstance(node, model))
    binding, condition_over = REWRITES[kind](node)
    name = kind
    while facts.setdefault(name, binding) != binding:  # nodes that look at the same field share their facts
        name = f"{kind}_{len(facts) + 1}" if name == kind else f"{name}_"
    return _condition(condition_over(name), known_facts({name: binding}))


def _condition(given: Given, known: dict[str, tuple[str, ...] | None]) -> Condition:
    (wrapped,) = All.model_validate({"and": [given]}, context={"facts": known}).and_
    return wrapped


def _http(node: HttpClassify) -> tuple[dict[str, str], Callable[[str], Given]]:
    given = node.http_classify
    return {"url": given.url_field, "method": given.method_field}, lambda name: _broken_http(given, name)


def _sql(node: SqlClassify) -> tuple[dict[str, str], Callable[[str], Given]]:
    given = node.sql_classify
    binding = {"sql": given.field, "dialect": given.dialect}
    known = [*given.require.allowed_functions, *(name for names in given.functions.values() for name in names)]
    if known:  # what the policy names is judged by the policy
        binding["functions"] = " ".join(known)
    return binding, lambda name: rewrite_sql.broken(given, name)


_AROUND = {"workspace": "context.workspace", "cwd": "context.cwd"}  # what the host program may say of the world


def _path(node: PathClassify) -> tuple[dict[str, str], Callable[[str], Given]]:
    given = node.path_classify
    return {"path": given.field, **_AROUND}, lambda name: rewrite_paths.broken_path(given, name)


def _shell(node: ShellClassify) -> tuple[dict[str, str], Callable[[str], Given]]:
    given = node.shell_classify
    return {"argv": given.field}, lambda name: rewrite_paths.broken_shell(given, name)


def _write(node: WriteClassify) -> tuple[dict[str, str], Callable[[str], Given]]:
    given = node.write_classify
    names = {"path_name": given.path_field, "content_name": given.content_field}
    further = {key: str(parse_field(name).steps[0]) for key, name in names.items() if name}
    return {"write": "parameters", **_AROUND, **further}, lambda name: rewrite_paths.broken_write(given, name)


def _llm(node: LlmClassify) -> tuple[dict[str, str], Callable[[str], Given]]:
    given = node.llm_classify
    labels = " ".join("_".join(label.split()) for label in given.forbidden)
    further = {"model": given.model, "endpoint": given.ollama_url, "timeout": str(given.timeout_seconds or 30)}
    binding = {"semantic": given.prompt_field, "labels": labels} | {key: value for key, value in further.items() if value}
    return binding, lambda name: _not_safe(given, name)


def _not_safe(given: LlmNode, name: str) -> Given:
    unsafe = _leaf(f"{name}.safe", "eq", value=False)
    return unsafe if given.image_url_field is None else {"or": [_leaf(given.image_url_field, "exists", value=True), unsafe]}


def _broken_http(node: HttpNode, name: str) -> Given:
    url, method, require = node.url_field, node.method_field, node.require
    broken: list[Given] = []
    if require.denied_hosts:
        broken.append(_any_host(f"{name}.host", require.denied_hosts))
    if require.allowed_hosts:
        broken.append({"not": _any_host(f"{name}.host", require.allowed_hosts)})
    if require.allowed_schemes:
        broken.append(_leaf(f"{name}.scheme", "not_in", [scheme.lower() for scheme in require.allowed_schemes]))
    if require.allowed_ports:
        broken.append(_leaf(f"{name}.port", "not_in", list(require.allowed_ports)))
    if require.denied_ports:
        broken.append(_leaf(f"{name}.port", "in", list(require.denied_ports)))
    if require.allowed_methods:
        broken.append(_leaf(f"{name}.method", "not_in", [each.upper() for each in require.allowed_methods]))
    if require.denied_methods:  # as there, a request that names no method uses none of these
        denied = _leaf(f"{name}.method", "in", [each.upper() for each in require.denied_methods])
        broken.append({"and": [_leaf(method, "exists", value=True), denied]})
    condition: Given = {"or": broken}
    if not (require.allowed_hosts or require.allowed_schemes or require.allowed_ports):
        condition = {"and": [_leaf(url, "exists", value=True), condition]}  # as there, no URL breaks no list of denied ones
    return condition


def _any_host(field: str, hosts: tuple[str, ...]) -> Given:
    exact = [host.removeprefix(".") for host in hosts]
    below = [_leaf(field, "ends_with", host) for host in hosts if host.startswith(".")]
    return {"or": [_leaf(field, "in", exact), *below]}


def _leaf(field: str, operator: str, value: Any) -> Given:
    return {"field": field, "operator": operator, "value": value}


# For each node: what its facts are bound to, and its condition over facts of a given name.
REWRITES: dict[str, Callable[[Any], tuple[dict[str, str], Callable[[str], Given]]]] = {
    "http_classify": _http,
    "sql_classify": _sql,
    "path_classify": _path,
    "shell_classify": _shell,
    "write_classify": _write,
    "llm_classify": _llm,
}
