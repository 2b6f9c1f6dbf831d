"""Loops without a framework: a wrapped registry, and the registry that the SDK adapters share."""

import asyncio

import pytest
from contract import Contract, Talk

from toolguard import ToolDenied
from toolguard.adapters.gate import Gate
from toolguard.adapters.loop import Tools


def refund_of(ran):
    def issue_refund(amount: float) -> str:
        if amount == 13:
            raise ValueError("no")
        ran.append(amount)
        return f"refunded {amount}"

    return issue_refund


class TestTools(Contract):
    example = "own_loop.py"
    modes = ("sync", "async")
    pauses = rewrites = False

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        talk, function = Talk(final="done"), refund_of(talk_ran := [])
        talk.ran = talk_ran
        options.pop("wait", None)
        tools = Tools(Gate(guard, **options), {"issue_refund": decorate(function) if decorate else function})

        async def together(turn):
            calls = (tools.call_async(one["name"], one["args"], session_id="s", call_id=one["id"]) for one in turn)
            return await asyncio.gather(*calls)

        for turn in turns:
            if mode == "async":
                said = asyncio.run(together(turn))
            else:
                said = [tools.call(one["name"], one["args"], session_id="s", call_id=one["id"]) for one in turn]
            for one, each in zip(turn, said, strict=True):
                talk.told[one["id"]] = each.text
                talk.failed |= {one["id"]} if each.failed else set()
        return talk

    def test_a_coroutine_needs_the_asynchronous_form(self, guard):
        async def issue_refund(amount):
            return amount

        tools = Tools(Gate(guard), {"issue_refund": issue_refund})
        assert asyncio.run(tools.call_async("issue_refund", {"amount": 1.5})).text == "1.5"
        with pytest.raises(TypeError, match="coroutine"):
            tools.call("issue_refund", {"amount": 1.5})


class TestRegistry(Contract):
    example = "own_loop.py"
    modes = ("sync",)
    denies_as_error = pauses = rewrites = is_adapter = False

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        talk = Talk(final="done")
        function = refund_of(talk.ran)
        tools = guard.wrap_registry(
            {"issue_refund": decorate(function) if decorate else function}, on_deny=ToolDenied.message_for_model
        )
        for one in (one for turn in turns for one in turn if one["name"] in tools):
            try:
                talk.told[one["id"]] = tools[one["name"]](**one["args"])
            except ValueError:
                talk.told[one["id"]] = "failed"
        return talk

    def test_a_guard_that_fails_denies_and_the_conversation_goes_on(self, guard, mode):
        """A closed ledger is a guard that fails."""
        guard.close()
        talk = self.talk(guard, [[{"id": "c1", "name": "issue_refund", "args": {"amount": 1.0}}]])
        assert talk.ran == []
        assert "was not carried out" in talk.told["c1"]
