"""Pydantic AI: an agent with the guard's capability. `pip install 'toolguard-embedded[pydantic-ai]'`."""

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel
from story import REFUNDS, guard, issue_refund, show

from toolguard.adapters.pydantic_ai import guarding

turns = iter([*([ToolCallPart("issue_refund", {"amount": amount})] for amount in REFUNDS), [TextPart("done")]])


def scripted(_: Any, __: Any) -> ModelResponse:
    return ModelResponse(parts=next(turns))


with guard() as point:
    agent = Agent(FunctionModel(scripted), tools=[issue_refund], capabilities=[guarding(point)], name="refunds")
    messages = agent.run_sync("refund, please").all_messages()
told = [part.content for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
for amount, text in zip(REFUNDS, told, strict=True):
    show(amount, text)
