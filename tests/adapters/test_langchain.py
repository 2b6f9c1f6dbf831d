"""LangChain and LangGraph: `create_agent` with the middleware, and a graph of one's own with a `ToolNode`."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("langchain")

from contract import Contract, Talk, call, records
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from toolguard.adapters.langchain import guarding


class Scripted(BaseChatModel):
    """Says what it is told to, also piece by piece."""

    turns: Any

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **_):
        return self

    def _generate(self, messages, stop=None, *_, **__):
        return ChatResult(generations=[ChatGeneration(message=next(self.turns))])

    def _stream(self, messages, stop=None, *_, **__):
        message = next(self.turns)
        yield ChatGenerationChunk(message=AIMessageChunk(content=message.content))
        for index, each in enumerate(message.tool_calls):
            text = json.dumps(each["args"])
            for start in range(0, len(text), 4):
                named = {"name": each["name"], "id": each["id"]} if start == 0 else {"name": None, "id": None}
                chunk = {**named, "args": text[start : start + 4], "index": index, "type": "tool_call_chunk"}
                yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))


class Rewriter(AgentMiddleware):
    """A layer behind the guard's that changes the arguments."""

    def __init__(self, args):
        super().__init__()
        self.args = args

    def changed(self, request):
        return request.override(tool_call={**request.tool_call, "args": self.args})

    def wrap_tool_call(self, request, handler):
        return handler(self.changed(request))

    async def awrap_tool_call(self, request, handler):
        return await handler(self.changed(request))


@dataclass
class Runtime:
    user_id: str = "u-1"


def refund_tool(ran, decorate=None):
    def issue_refund(amount: float) -> str:
        """Refund an amount."""
        if amount == 13:
            raise ValueError("no")
        ran.append(amount)
        return f"refunded {amount}"

    return tool(decorate(issue_refund) if decorate else issue_refund)


def turns_of(turns):
    said = [AIMessage("", tool_calls=[{**each, "type": "tool_call"} for each in turn]) for turn in turns]
    return iter([*said, AIMessage("done")])


def resumed(answers, asked):
    """The next answers, for what is asked now."""
    given = [(each, next(answers)) for each in asked]
    return Command(resume={one.id: {"id": one.value["id"], "approved": granted, "by": by} for one, (granted, by) in given})


class TestAgent(Contract):
    example = "langchain_agent.py"

    def agent(self, guard, turns, ran, *, rewrite, decorate, **options):
        middleware = [guarding(guard, **options), *([Rewriter(rewrite)] if rewrite else [])]
        return create_agent(
            Scripted(turns=turns_of(turns)),
            [refund_tool(ran, decorate)],
            middleware=middleware,
            context_schema=Runtime,
            checkpointer=InMemorySaver(),
            name="refunds",
        )

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        ran = []
        agent = self.agent(guard, turns, ran, rewrite=rewrite, decorate=decorate, **options)
        settings = {"configurable": {"thread_id": "thread-1"}}
        about = {"context": Runtime()} if isinstance(self, TestAgent) and type(self) is TestAgent else {}

        loop = asyncio.Runner()

        def step(given):
            if mode == "sync":
                return agent.invoke(given, settings, **about)
            if mode == "async":
                return loop.run(agent.ainvoke(given, settings, **about))
            for _ in agent.stream(given, settings, stream_mode=["messages", "updates"], **about):
                pass
            state = agent.get_state(settings)
            return {**state.values, "__interrupt__": state.interrupts}

        talk, left = Talk(ran), iter(answers)
        with loop:
            try:
                end = step({"messages": [("user", "refund, please")]})
            except ValueError:
                return talk
            while asked := end.get("__interrupt__"):
                talk.questions += [each.value for each in asked]
                talk.ran_before_the_answer = talk.ran_before_the_answer or list(ran)
                end = step(resumed(left, asked))
        for message in end["messages"]:
            if isinstance(message, ToolMessage):
                talk.told[message.tool_call_id] = message.content
                talk.failed |= {message.tool_call_id} if message.status == "error" else set()
        talk.final = end["messages"][-1].content
        return talk

    def test_who_calls_is_on_record(self, guard):
        self.talk(guard, [[call(1, 1.0)]])
        body = records(guard, "decision")[0].content["call"]
        assert (body["session_id"], body["agent_id"], body["call_id"]) == ("thread-1", "refunds", "c1")

    def test_an_argument_that_only_looks_like_a_number_is_not_compared(self, guard):
        talk = self.talk(guard, [[call(1, "1000")]])
        assert talk.ran == []


class TestGraph(TestAgent):
    """A graph that begins all calls of a message anew after an interrupt."""

    rewrites = False

    def agent(self, guard, turns, ran, *, rewrite, decorate, **options):
        assert rewrite is None
        said, middleware = turns_of(turns), guarding(guard, **options)
        node = ToolNode(
            [refund_tool(ran, decorate)],
            wrap_tool_call=middleware.wrap_tool_call,
            awrap_tool_call=middleware.awrap_tool_call,
            handle_tool_errors=False,
        )
        graph = StateGraph(MessagesState)
        graph.add_node("model", lambda _: {"messages": [next(said)]})
        graph.add_node("tools", node)
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
        graph.add_edge("tools", "model")
        return graph.compile(checkpointer=InMemorySaver())

    def test_who_calls_is_on_record(self, guard):
        self.talk(guard, [[call(1, 1.0)]])
        body = records(guard, "decision")[0].content["call"]
        assert (body["session_id"], body["call_id"]) == ("thread-1", "c1")

    @pytest.mark.parametrize("mode", ["sync", "async"])
    def test_two_of_three_wait_and_none_runs_twice(self, guard, mode):
        answers = [(True, "bob"), (False, "eve")]
        talk = self.talk(guard, [[call(1, 300.0), call(2, 10.0), call(3, 400.0)]], answers=answers, mode=mode)
        assert sorted(talk.ran) == [10.0, 300.0]
        assert len(records(guard, "decision")) == 3
