"""FastMCP: a server, and a proxy before a server that knows nothing of it."""

import asyncio

import pytest

pytest.importorskip("fastmcp")

from contract import Contract, Talk
from fastmcp import Client, FastMCP
from fastmcp.server import create_proxy

from toolguard.adapters.mcp import guarding


class TestFastMCP(Contract):
    example = "mcp_server.py"
    modes = ("async",)
    rewrites = False
    tells_who_answered = False

    def server(self, backend):
        return backend

    def talk(self, guard, turns, *, answers=(), mode="async", rewrite=None, decorate=None, **options):
        talk, left = Talk(), iter(answers)

        def issue_refund(amount: float) -> str:
            if amount == 13:
                raise ValueError("no")
            talk.ran.append(amount)
            return f"refunded {amount}"

        backend = FastMCP("refunds")
        backend.tool(decorate(issue_refund) if decorate else issue_refund)
        server = guarding(guard, session=lambda _: "s", **options).protect(self.server(backend))

        async def elicited(message, *_):
            granted, _ = next(left)
            talk.questions.append({"params": {"amount": 300.0}, "reason": message})
            talk.ran_before_the_answer = list(talk.ran)
            return {"approve": granted}

        async def conversation():
            async with Client(server, elicitation_handler=elicited) as client:
                for turn in turns:
                    calls = (client.call_tool(each["name"], each["args"], raise_on_error=False) for each in turn)
                    for each, result in zip(turn, await asyncio.gather(*calls), strict=True):
                        talk.told[each["id"]] = result.content[0].text
                        talk.failed |= {each["id"]} if result.is_error else set()
            talk.final = "done"

        asyncio.run(conversation())
        return talk


class TestProxy(TestFastMCP):
    def server(self, backend):
        return create_proxy(backend, name="proxy")
