"""The reference's nodes for paths, writes and lists of words as leaves over their facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.policy.nodes import PathNode, ShellNode, WriteNode

Given = dict[str, Any]  # a condition as a policy would write it
_METAS = r";&|$`<>\n\r\t\x00"


def broken_path(node: PathNode, name: str) -> Given:
    """A condition that holds when the path breaks a requirement, or could be taken for another one."""
    require = node.require
    broken = [_leaf(f"{name}.ambiguous", "eq", value=True)]
    if require.absolute_only:
        broken.append(_leaf(f"{name}.absolute", "eq", value=False))
    if require.max_path_length:
        broken.append(_leaf(f"{name}.length", "gt", require.max_path_length))
    if require.deny_shell_metas:
        backslash = r"\\" if require.include_backslash else ""
        broken.append(_leaf(node.field, "regex", f"[{_METAS}{backslash}]"))
    forms = ("lexical", "resolved") if require.resolve_symlinks or require.deny_on_resolve_failure else ("lexical",)
    for form in forms:
        if require.denied_canonical_prefixes:
            broken.append(_leaf(f"{name}.{form}", "regex", beginning(require.denied_canonical_prefixes)))
        if require.allowed_canonical_prefixes:
            broken.append({"not": _leaf(f"{name}.{form}", "regex", beginning(require.allowed_canonical_prefixes))})
    return {"or": broken}


def broken_shell(node: ShellNode, name: str) -> Given:
    """A condition that holds when the words break a requirement, or are none."""
    require = node.require
    broken = [_leaf(f"{name}.count", "eq", 0)]
    if require.argv0_allowlist:
        broken.append(_leaf(f"{name}.program", "not_in", list(require.argv0_allowlist)))
    broken += [_leaf(f"{name}.words[*]", "regex", pattern) for pattern in require.argv_deny_patterns]
    if require.max_argc:
        broken.append(_leaf(f"{name}.count", "gt", require.max_argc))
    if require.denied_argv_paths:
        denied = beginning(require.denied_argv_paths)
        broken.append(_leaf(f"{name}.paths[*]", "regex", denied))
        if require.resolve_symlinks:
            broken.append(_leaf(f"{name}.resolved[*]", "regex", denied))
    broken += [_leaf(f"{name}.wrapped[*]", "regex", pattern) for pattern in require.argv_env_pattern_deny]
    return {"or": broken}


def broken_write(node: WriteNode, name: str) -> Given:
    """A condition that holds when what is written, or where, breaks a requirement or is not known."""
    return {"or": list(_broken_write(node, name))}


def _broken_write(node: WriteNode, name: str) -> Iterator[Given]:
    require = node.require
    if require.allowed_path_prefixes or require.denied_path_prefixes:
        yield _leaf(f"{name}.count", "eq", 0)
    for form in ("targets", "resolved"):
        if require.denied_path_prefixes:
            yield _leaf(f"{name}.{form}[*]", "regex", beginning(require.denied_path_prefixes))
        if require.allowed_path_prefixes:
            yield {"not": _leaf(f"{name}.{form}[all]", "regex", beginning(require.allowed_path_prefixes))}
    if require.max_bytes:
        yield _leaf(f"{name}.bytes", "gt", require.max_bytes)
    for pattern in require.denied_content_regex:
        yield _leaf(f"{name}.contents[*]", "regex", pattern)


def beginning(prefixes: tuple[str, ...]) -> str:
    """A pattern of paths that begin like one of these, part by part; `*` stands for one part, `**` for any number of them.

    What does not begin at the root may begin anywhere.
    """
    return f"^(?:{'|'.join(map(_one, prefixes))})(?:/|$)"


def _one(prefix: str) -> str:
    prefix = prefix.replace("\\", "/")
    parts = [part for part in prefix.split("/") if part not in ("", ".")]
    anywhere = [] if prefix.startswith("/") else ["**"]
    return "".join("(?:/[^/]+)*" if part == "**" else "/" + _part(part) for part in anywhere + parts)


def _part(part: str) -> str:
    return "[^/]+" if part == "*" else re.escape(part).replace(r"\*", "[^/]*")


def _leaf(field: str, operator: str, value: Any) -> Given:
    return {"field": field, "operator": operator, "value": value}
