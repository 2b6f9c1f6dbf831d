"""LangChain: an agent with the guard's middleware. `pip install 'toolguard-embedded[langchain]'`."""

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from story import REFUNDS, guard, issue_refund, show

from toolguard.adapters.langchain import guarding


class Scripted(BaseChatModel):
    """In the place of a model: it asks for each refund, then is done."""

    turns: Any

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_: Any, **__: Any) -> "Scripted":
        return self

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=next(self.turns))])


def asks(number: int, amount: float) -> AIMessage:
    return AIMessage(
        "", tool_calls=[{"id": f"c{number}", "name": "issue_refund", "args": {"amount": amount}, "type": "tool_call"}]
    )


model = Scripted(turns=iter([*(asks(number, amount) for number, amount in enumerate(REFUNDS)), AIMessage("done")]))
with guard() as point:
    agent = create_agent(model, [tool(issue_refund)], middleware=[guarding(point)], name="refunds")
    told = [
        each for each in agent.invoke({"messages": [("user", "refund, please")]})["messages"] if isinstance(each, ToolMessage)
    ]
for amount, message in zip(REFUNDS, told, strict=True):
    show(amount, message.content)
