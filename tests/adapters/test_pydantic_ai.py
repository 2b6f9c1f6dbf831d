"""Pydantic AI: an agent with the capability."""

import asyncio
from dataclasses import dataclass

import pytest

pytest.importorskip("pydantic_ai")

from contract import Contract, Talk, call, records
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults, ToolDenied
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel

from toolguard.adapters.pydantic_ai import guarding


@dataclass
class Deps:
    user_id: str = "u-1"


@dataclass
class Rewriter(AbstractCapability):
    """Another layer that changes the arguments right before the tool runs."""

    args: dict

    async def before_tool_execute(self, ctx, *, args, **_):
        return {**args, **self.args}


def scripted(turns):
    said = iter(
        [*([ToolCallPart(each["name"], each["args"], tool_call_id=each["id"]) for each in turn] for turn in turns), None]
    )

    def whole(messages, info):
        return ModelResponse(parts=next(said) or [TextPart("done")])

    async def pieces(messages, info):
        for index, part in enumerate(next(said) or ["done"]):
            if isinstance(part, str):
                yield part
                continue
            text = part.args_as_json_str()
            yield {index: DeltaToolCall(name=part.tool_name, tool_call_id=part.tool_call_id)}
            for start in range(0, len(text), 4):
                yield {index: DeltaToolCall(json_args=text[start : start + 4])}

    return FunctionModel(whole, stream_function=pieces)


class TestPydanticAI(Contract):
    example = "pydantic_ai_agent.py"

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        ran = []

        def issue_refund(amount: float) -> str:
            if amount == 13:
                raise ValueError("no")
            ran.append(amount)
            return f"refunded {amount}"

        agent = Agent(
            scripted(turns),
            deps_type=Deps,
            tools=[decorate(issue_refund) if decorate else issue_refund],
            name="refunds",
            capabilities=[guarding(guard, **options), *([Rewriter(rewrite)] if rewrite else [])],
            output_type=[str, DeferredToolRequests],
        )

        async def streamed(*given, **more):
            async with agent.run_stream(*given, deps=Deps(), **more) as stream:
                output = await stream.get_output()
            return output, stream.all_messages()

        def step(*given, **more):
            if mode == "stream":
                return asyncio.run(streamed(*given, **more))
            run = (
                agent.run_sync(*given, deps=Deps(), **more)
                if mode == "sync"
                else asyncio.run(agent.run(*given, deps=Deps(), **more))
            )
            return run.output, run.all_messages()

        talk = Talk(ran)
        try:
            output, messages = step("refund, please")
        except ValueError:
            return talk
        if isinstance(output, DeferredToolRequests):
            (asked,) = output.approvals
            talk.questions = [output.metadata[asked.tool_call_id]["toolguard"]]
            talk.ran_before_the_answer = list(ran)
            ((granted, by),) = answers
            answer = True if granted else ToolDenied(f"The call was not carried out: {by} has refused.")
            results = DeferredToolResults(approvals={asked.tool_call_id: answer}, metadata={asked.tool_call_id: {"by": by}})
            output, messages = step(message_history=messages, deferred_tool_results=results)
        for part in (part for message in messages for part in message.parts):
            if isinstance(part, ToolReturnPart | RetryPromptPart) and part.tool_call_id:
                talk.told[part.tool_call_id] = str(part.content)
                talk.failed |= {part.tool_call_id} if getattr(part, "outcome", "failed") == "failed" else set()
        talk.final = output
        return talk

    def test_who_calls_is_on_record(self, guard):
        self.talk(guard, [[call(1, 1.0)]])
        said = records(guard, "decision")[0].content["call"]
        assert said["session_id"]
        assert (said["agent_id"], said["call_id"]) == ("refunds", "c1")

    def test_a_text_is_made_a_number_before_it_is_compared(self, guard):
        talk = self.talk(guard, [[call(1, "1000")]])
        assert talk.ran == []
        assert "hard-cap" in talk.told["c1"]
