"""Each third-party package has one door: one module of toolguard that imports it, at the top or inside a function.

The layers themselves and the purity of the engine are contracts of import-linter, in pyproject.toml.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "toolguard"

DOORS = {
    "ada_url": "toolguard.classify.url",
    "publicsuffixlist": "toolguard.classify.url",
    "bashlex": "toolguard.classify.shell",
    "blake3": "toolguard.canonical",
    "cryptography": "toolguard.audit.sign",
    "pydantic": "toolguard.policy",
    "pydantic_core": "toolguard.canonical",
    "re2": "toolguard.patterns",
    "sqlglot": "toolguard.classify.sql",
    "pgparse": "toolguard.classify.sql",
    "tree_sitter": "toolguard.classify.shell",
    "tree_sitter_bash": "toolguard.classify.shell",
    "yaml": "toolguard.policy.load",
    "agents": "toolguard.adapters.openai_agents",
    "anthropic": "toolguard.adapters.anthropic",
    "claude_agent_sdk": "toolguard.adapters.claude_agent_sdk",
    "langchain": "toolguard.adapters.langchain",
    "langchain_core": "toolguard.adapters.langchain",
    "langgraph": "toolguard.adapters.langchain",
    "mcp": "toolguard.adapters.mcp",
    "mcp_types": "toolguard.adapters.mcp",
    "openai": "toolguard.adapters.openai",
    "pydantic_ai": "toolguard.adapters.pydantic_ai",
}
ALSO = {"yaml": ("toolguard.classify.shell.programs",)}  # what is known of programs is data, and lies below the policies
IN_USE = ("blake3", "yaml")  # a walk that does not see these sees nothing


def names_imported(tree):
    """Every dotted name that an import statement or a call of `import_module` or `__import__` names."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(name), level=0):
                yield name
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def importers(package):
    """For each top-level name imported anywhere in `package`, the modules that import it."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for name in names_imported(ast.parse(path.read_bytes(), filename=str(path))):
            found.setdefault(name.partition(".")[0], set()).add(module)
    return found


@pytest.mark.parametrize("name", DOORS)
def test_a_third_party_package_is_imported_through_its_one_door(name):
    door = DOORS[name]
    doors = (door, *ALSO.get(name, ()))
    strays = {
        module
        for module in importers(PACKAGE).get(name, ())
        if not f"{module}.".startswith(tuple(f"{each}." for each in doors))
    }
    assert not strays, f"{name} may be imported in {door} only"


@pytest.mark.parametrize("name", IN_USE)
def test_the_walk_sees_the_packages_that_are_surely_used(name):
    assert importers(PACKAGE).get(name)


def test_lazy_and_dynamic_imports_are_seen(tmp_path):
    package = tmp_path / "toolguard"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("from . import yaml\n")
    (package / "sub" / "__init__.py").write_text("import importlib\nimportlib.import_module('sqlglot.exp')\n")
    (package / "sub" / "lazy.py").write_text("def f():\n    from bashlex.ast import node\n    return node\n")
    assert importers(package) == {
        "bashlex": {"toolguard.sub.lazy"},
        "importlib": {"toolguard.sub"},
        "sqlglot": {"toolguard.sub"},
    }
