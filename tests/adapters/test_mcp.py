"""MCP: a server with the extension, and the SDK's own client in the same process."""

import asyncio

import pytest

pytest.importorskip("mcp.server.extension")

import mcp_types as types
from contract import Contract, Talk, call, records
from mcp.client.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

from toolguard.adapters.mcp import guarding


class TestServer(Contract):
    example = "mcp_server.py"
    modes = ("async",)
    rewrites = False  # what the interceptor was given is what the tool is invoked with
    tells_who_answered = False

    def server(self, guard, ran, decorate=None, **options):
        def issue_refund(amount: float) -> str:
            if amount == 13:
                raise ValueError("no")
            ran.append(amount)
            return f"refunded {amount}"

        options.setdefault("session", lambda _: "session-1")
        server = MCPServer("refunds", extensions=[guarding(guard, **options)])
        server.tool()(decorate(issue_refund) if decorate else issue_refund)
        return server

    def talk(self, guard, turns, *, answers=(), mode="async", rewrite=None, decorate=None, **options):
        talk, left = Talk(), iter(answers)

        async def elicited(context, params):
            granted, by = next(left)
            talk.questions.append({"params": {"amount": 300.0}, "reason": params.message, "by": by})
            talk.ran_before_the_answer = list(talk.ran)
            return types.ElicitResult(action="accept" if granted else "decline", content={"approve": True} if granted else None)

        async def conversation():
            async with Client(self.server(guard, talk.ran, decorate, **options), elicitation_callback=elicited) as client:
                for turn in turns:
                    results = await asyncio.gather(*(client.call_tool(each["name"], each["args"]) for each in turn))
                    for each, result in zip(turn, results, strict=True):
                        talk.told[each["id"]] = result.content[0].text
                        talk.failed |= {each["id"]} if result.is_error else set()
            talk.final = "done"

        asyncio.run(conversation())
        return talk

    def test_an_answer_is_for_the_arguments_that_it_was_asked_about(self, guard):
        ran = []
        yes = {"toolguard": types.ElicitResult(action="accept", content={"approve": True})}

        async def conversation():
            async with Client(self.server(guard, ran)) as client:
                call_tool = client.session.call_tool
                asked = await call_tool("issue_refund", {"amount": 300.0}, allow_input_required=True)
                with pytest.raises(MCPError, match="requestState"):
                    await call_tool("issue_refund", {"amount": 499.0}, input_responses=yes, request_state=asked.request_state)
                unasked = await call_tool("issue_refund", {"amount": 300.0}, input_responses=yes, allow_input_required=True)
                assert isinstance(unasked, types.InputRequiredResult)
                return await call_tool(
                    "issue_refund", {"amount": 300.0}, input_responses=yes, request_state=asked.request_state
                )

        assert asyncio.run(conversation()).content[0].text == "refunded 300.0"
        assert ran == [300.0]

    def test_a_client_that_cannot_ask_gets_an_error(self, guard):
        ran = []

        async def conversation():
            async with Client(self.server(guard, ran)) as client:
                await client.call_tool("issue_refund", {"amount": 300.0})

        with pytest.raises(ExceptionGroup) as failed:
            asyncio.run(conversation())
        assert failed.group_contains(MCPError) or failed.group_contains(RuntimeError)
        assert ran == []

    def test_a_denial_is_marked_for_programs(self, guard):
        async def conversation():
            async with Client(self.server(guard, [])) as client:
                return await client.call_tool("issue_refund", {"amount": 1000.0})

        assert asyncio.run(conversation()).meta["toolguard"]["rule"] == "hard-cap"

    def test_who_calls_is_on_record(self, guard):
        self.talk(guard, [[call(1, 1.0)]])
        assert records(guard, "decision")[0].content["call"]["session_id"] == "session-1"
