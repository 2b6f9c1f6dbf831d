"""Writes down what was proven of a framework, for docs/adapters.md: `TOOLGUARD_PROVEN=docs/proven make test-adapters`."""

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

DISTRIBUTIONS = {
    "test_anthropic": "anthropic",
    "test_claude_agent_sdk": "claude-agent-sdk",
    "test_fastmcp": "fastmcp",
    "test_langchain": "langchain",
    "test_mcp": "mcp",
    "test_openai": "openai",
    "test_openai_agents": "openai-agents",
    "test_pydantic_ai": "pydantic-ai-slim",
}
proven = {}


def pytest_runtest_logreport(report):
    """One test of the contract: passed in every way that it was tried in, or skipped in all of them."""
    file, _, rest = report.nodeid.partition("::")
    name = rest.rpartition("::")[2].partition("[")[0]
    if report.when == "call" or report.skipped:
        proven.setdefault(Path(file).stem, {}).setdefault(name, set()).add(report.outcome)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    folder = os.environ.get("TOOLGUARD_PROVEN")
    for module, tests in proven.items() if folder else ():
        if module in DISTRIBUTIONS:
            name = DISTRIBUTIONS[module]
            said = {
                test: "failed" if "failed" in out else "passed" if "passed" in out else "skipped" for test, out in tests.items()
            }
            path = Path(folder, f"{name}.json")
            path.parent.mkdir(exist_ok=True)
            path.write_text(
                json.dumps({"name": name, "version": version(name), "tests": said}, indent=1, sort_keys=True) + "\n"
            )
