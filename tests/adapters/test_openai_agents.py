"""OpenAI Agents SDK: a guarded agent, run as it is, streamed, and paused across a restart."""

import asyncio
import json

import pytest

pytest.importorskip("agents")

from agents import Agent, Runner, RunState, WebSearchTool, function_tool, set_tracing_disabled
from agents.exceptions import ModelBehaviorError, UserError
from agents.testing import ScriptedModel, assistant_message, function_call
from contract import Contract, Talk, call, records

from toolguard.adapters.openai_agents import guarding

set_tracing_disabled(True)
CONTEXT = {"user_id": "u-1", "session_id": "session-1"}


class TestAgents(Contract):
    example = "openai_agents_agent.py"
    denies_as_error = False
    tells_who_answered = False
    rewrites = False  # nothing stands between the SDK and the function

    def agent(self, guard, turns, ran, decorate=None, **options):
        def issue_refund(amount: float) -> str:
            """Refund an amount."""
            if amount == 13:
                raise ValueError("no")
            ran.append(amount)
            return f"refunded {amount}"

        tool = function_tool(decorate(issue_refund) if decorate else issue_refund, failure_error_function=None)
        said = [[function_call(each["name"], each["args"], call_id=each["id"]) for each in turn] for turn in turns]
        model = ScriptedModel([*said, [assistant_message("done")]])
        return guarding(guard, Agent(name="refunds", model=model, tools=[tool]), **options)

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        talk = Talk()
        agent = self.agent(guard, turns, talk.ran, decorate, **options)

        async def streamed(given):
            result = Runner.run_streamed(agent, given, context=CONTEXT)
            async for _ in result.stream_events():
                pass
            return result

        def step(given):
            if mode == "stream":
                return asyncio.run(streamed(given))
            if mode == "sync":
                return Runner.run_sync(agent, given, context=CONTEXT)
            return asyncio.run(Runner.run(agent, given, context=CONTEXT))

        try:
            result = step("refund, please")
        except (UserError, ModelBehaviorError):
            return talk
        if result.interruptions:
            talk.questions = [{"params": json.loads(each.arguments), "reason": "manager"} for each in result.interruptions]
            talk.ran_before_the_answer = list(talk.ran)
            state = asyncio.run(RunState.from_string(agent, result.to_state().to_string()))  # it survives a restart
            for asked, (granted, by) in zip(state.get_interruptions(), answers, strict=True):
                if granted:
                    state.approve(asked)
                else:
                    state.reject(asked, rejection_message=f"The call was not carried out: {by} has refused.")
            result = step(state)
        for item in result.new_items:
            if item.type == "tool_call_output_item":
                talk.told[item.raw_item["call_id"]] = str(item.output)
        talk.final = result.final_output
        return talk

    def test_an_unknown_tool_is_denied(self, guard, mode):
        """The SDK itself ends the run."""
        assert self.talk(guard, [[call(1, 1.0, tool="drop_everything")]], mode=mode).ran == []

    def test_who_calls_is_on_record(self, guard):
        self.talk(guard, [[call(1, 1.0)]])
        said = records(guard, "decision")[0].content["call"]
        assert (said["session_id"], said["agent_id"], said["call_id"]) == ("session-1", "refunds", "c1")

    def test_what_runs_at_the_provider_is_refused(self, guard):
        with pytest.raises(TypeError, match="web_search"):
            guarding(guard, Agent(name="a", tools=[WebSearchTool()]))
        assert guarding(guard, Agent(name="a", tools=[WebSearchTool()]), unguarded=["web_search"]).tools

    def test_one_approval_is_for_one_call(self, guard):
        """`always_approve` would let every later call of the tool through."""
        talk = Talk()
        agent = self.agent(guard, [[call(1, 300.0)], [call(2, 400.0)]], talk.ran)
        result = Runner.run_sync(agent, "x", context={})
        state = result.to_state()
        state.approve(result.interruptions[0], always_approve=True)
        Runner.run_sync(agent, state)
        assert 400.0 not in talk.ran

    @pytest.mark.parametrize("text", ['{"amount": NaN}', '{"amount": 1000, "amount": 1}', "[1]", "{"])
    def test_arguments_that_are_read_in_two_ways_are_denied(self, guard, text):
        talk = Talk()
        agent = self.agent(guard, [[]], talk.ran)
        (tool,) = asyncio.run(agent.get_all_tools(None))
        assert "malformed call" in asyncio.run(tool.on_invoke_tool(Context(), text))
        assert talk.ran == []


class Context:
    """As much of a tool's context as is read of one."""

    tool_call_id, context = "c1", None
