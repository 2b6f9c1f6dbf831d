"""Claude Agent SDK: the client that comes with it, against a local provider."""

import asyncio
import os
import sys

import pytest

pytest.importorskip("claude_agent_sdk")

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    PermissionResultAllow,
    PermissionResultDeny,
    ResultMessage,
    create_sdk_mcp_server,
    tool,
)
from contract import EXAMPLES, Contract, Talk, call, records

from toolguard.adapters.claude_agent_sdk import guarding

sys.path.append(str(EXAMPLES))
from provider import Provider


def around(home, provider):
    """A client's environment: nothing of this machine's, and no way out of it."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_BASE_URL": provider.url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "ENABLE_TOOL_SEARCH": "false",
    }


class TestSDK(Contract):
    example = "claude_agent.py"
    modes = ("async",)
    rewrites = runs_the_tool = False
    tells_who_answered = False

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        self.home = tmp_path

    def talk(self, guard, turns, *, answers=(), mode="async", rewrite=None, decorate=None, hooks=None, edit=None, **options):
        talk, left = Talk(), iter(answers)

        async def issue_refund(amount):
            if amount == 13:
                raise ValueError("no")
            talk.ran.append(amount)
            return f"refunded {float(amount)}"  # the client has made 100 of 100.0

        inner = decorate(issue_refund) if decorate else issue_refund

        @tool("issue_refund", "Refund.", {"amount": float})
        async def refund(args):
            return {"content": [{"type": "text", "text": await inner(**args)}]}

        async def can_use_tool(name, given, context):
            granted, _ = next(left, (True, "nobody"))
            if context.decision_reason and "approval" in context.decision_reason:
                talk.questions.append({"params": given, "reason": context.decision_reason})
                talk.ran_before_the_answer = list(talk.ran)
            return PermissionResultAllow(updated_input=edit) if granted else PermissionResultDeny(message="no")

        async def conversation(provider):
            made = ClaudeAgentOptions(
                mcp_servers={"pay": create_sdk_mcp_server("pay", tools=[refund])},
                can_use_tool=can_use_tool,
                setting_sources=[],
                cwd=str(self.home),
                env=around(self.home, provider),
                hooks=hooks,
            )
            async with ClaudeSDKClient(guarding(guard, made, **options)) as client:
                await client.query("refund, please")
                async for message in client.receive_response():
                    if isinstance(message, ResultMessage):
                        talk.final = message.result

        named = [[{**each, "name": f"mcp__pay__{each['name']}"} for each in turn] for turn in turns]
        with Provider(named) as provider:
            asyncio.run(asyncio.wait_for(conversation(provider), 90))
        talk.told = {name: text for name, (text, _) in provider.told.items()}
        talk.failed = {name for name, (_, failed) in provider.told.items() if failed}
        return talk

    def test_an_edited_call_is_judged_anew(self, guard):
        talk = self.talk(guard, [[call(1, 300.0)]], answers=[(True, "bob")], edit={"amount": 1000.0})
        assert talk.ran == []
        assert "hard-cap" in talk.told["c1"]

    def test_a_hook_of_the_program_is_kept(self, guard):
        seen = []

        async def theirs(given, _, __):
            seen.append(given["tool_name"])
            return {}

        self.talk(guard, [[call(1, 1.0)]], hooks={"PreToolUse": [HookMatcher(hooks=[theirs])]})
        assert seen == ["mcp__pay__issue_refund"]

    def test_who_calls_is_on_record(self, guard):
        self.talk(guard, [[call(1, 1.0)]])
        said = records(guard, "decision")[0].content["call"]
        assert said["session_id"]
        assert said["call_id"] == "c1"
