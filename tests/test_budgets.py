"""Budgets for size. Past one, look for the missing noun before splitting a file."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "toolguard"

MODULE_LINES = 400
PARSER_LINES = 700  # SQL and shell: one dialect of special cases each, easier to judge in one place
FUNCTION_LINES = 50
PUBLIC_NAMES = 20


def module_budget(path):
    """The number of lines that the module at `path`, relative to the package, may have."""
    is_parser = path.parts[0] == "classify" and path.parts[1].startswith(("sql", "shell"))
    return PARSER_LINES if is_parser else MODULE_LINES


def function_sizes(source):
    """Line number, name and length without docstring of every function in `source`, nested ones too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            yield node.lineno, node.name, lines


def public_names(source):
    """The names in the `__all__` of a module, or None when it has none that is written out."""
    for node in ast.parse(source).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value)
            ):
                return list(ast.literal_eval(value))
    return None


MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def test_there_are_modules_to_measure():
    assert MODULES


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_fits_its_budget(path):
    assert len((PACKAGE / path).read_text().splitlines()) <= module_budget(path)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_function_fits_its_budget(path):
    source = (PACKAGE / path).read_text()
    large = [f"{path}:{line} {name}: {size} lines" for line, name, size in function_sizes(source) if size > FUNCTION_LINES]
    assert not large


def test_the_public_surface_is_small():
    names = public_names((PACKAGE / "__init__.py").read_text())
    assert names is not None, "toolguard/__init__.py lists its public names in __all__"
    assert len(names) == len(set(names))
    assert len(names) <= PUBLIC_NAMES


def test_only_the_two_parsers_have_the_larger_budget():
    budgets = {name: module_budget(Path(name)) for name in ("classify/sql.py", "classify/shell.py", "classify/url.py")}
    assert budgets == {
        "classify/sql.py": PARSER_LINES,
        "classify/shell.py": PARSER_LINES,
        "classify/url.py": MODULE_LINES,
    }


def test_the_docstring_is_not_counted_and_nested_functions_are():
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    async def g():\n        return 1\n    return g\n'
    assert list(function_sizes(source)) == [(1, "f", 4), (6, "g", 2)]
