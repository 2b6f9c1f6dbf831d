"""What an adapter adds to a tool call of its framework: `python -m bench.adapters`, in an environment that has it.

A conversation of so many calls is run bare and guarded, with the ledger in the process, so that no disk is in the figures.
"""

# ruff: noqa: PLC0415 - a framework is loaded where it is there
import asyncio
import importlib.util
import time
from statistics import median

from bench.measure import US, agree, take_turns
from toolguard import Guard

CALLS = 30
ROUNDS = 9
RULE = "{rule_id: r, effect: deny, conditions: {field: amount, operator: gt, value: 500}}"
POLICY = f"policy_id: p\nscope: {{tool_names: [issue_refund]}}\nrules: [{RULE}]\n"


def issue_refund(amount: float) -> str:
    """Refund an amount."""
    return f"refunded {amount}"


def langchain(guard):
    from langchain.agents import create_agent
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool

    from toolguard.adapters.langchain import guarding

    class Scripted(GenericFakeChatModel):
        def bind_tools(self, *_, **__):
            return self

    def run():
        named = {"name": "issue_refund", "args": {"amount": 1.0}, "type": "tool_call"}
        said = [AIMessage("", tool_calls=[{**named, "id": f"c{number}"}]) for number in range(CALLS)]
        middleware = [guarding(guard)] if guard else []
        agent = create_agent(Scripted(messages=iter([*said, AIMessage("done")])), [tool(issue_refund)], middleware=middleware)
        done = agent.invoke({"messages": [("user", "x")]}, {"recursion_limit": 4 * CALLS})
        return done["messages"][-2].content

    return run


def openai_agents(guard):
    from agents import Agent, Runner, function_tool, set_tracing_disabled
    from agents.testing import ScriptedModel, assistant_message, function_call

    from toolguard.adapters.openai_agents import guarding

    set_tracing_disabled(True)

    def run():
        said = [[function_call("issue_refund", {"amount": 1.0}, call_id=f"c{number}")] for number in range(CALLS)]
        agent = Agent(name="a", model=ScriptedModel([*said, [assistant_message("done")]]), tools=[function_tool(issue_refund)])
        agent = guarding(guard, agent) if guard else agent
        result = Runner.run_sync(agent, "x", max_turns=2 * CALLS)
        return [str(item.output) for item in result.new_items if item.type == "tool_call_output_item"][-1]

    return run


def pydantic_ai(guard):
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.usage import UsageLimits

    from toolguard.adapters.pydantic_ai import guarding

    def run():
        said = iter([*([ToolCallPart("issue_refund", {"amount": 1.0})] for _ in range(CALLS)), [TextPart("done")]])
        model = FunctionModel(lambda *_: ModelResponse(parts=next(said)))
        agent = Agent(model, tools=[issue_refund], capabilities=[guarding(guard)] if guard else [])
        messages = agent.run_sync("x", usage_limits=UsageLimits(request_limit=None)).all_messages()
        return [part.content for message in messages for part in message.parts if isinstance(part, ToolReturnPart)][-1]

    return run


def mcp(guard):
    from mcp.client.client import Client
    from mcp.server.mcpserver import MCPServer

    from toolguard.adapters.mcp import guarding

    async def conversation():
        server = MCPServer("a", extensions=[guarding(guard)] if guard else [])
        server.tool()(issue_refund)
        async with Client(server) as client:
            for _ in range(CALLS):
                result = await client.call_tool("issue_refund", {"amount": 1.0})
        return result.content[0].text

    return lambda: asyncio.run(conversation())


FRAMEWORKS = {"langchain": langchain, "agents": openai_agents, "pydantic_ai": pydantic_ai, "mcp": mcp}


def main():
    for package, of in FRAMEWORKS.items():
        if importlib.util.find_spec(package) is None:
            continue
        with Guard(POLICY, ledger=":memory:") as guard:
            ours, bare = of(guard), of(None)
            agree(package, "refunded 1.0", ours(), bare())
            figures = take_turns([timed(ours), timed(bare)], ROUNDS, 3)
        added = median(one - other for one, other in figures) / CALLS * US
        ratios = sorted(one / other for one, other in figures)
        print(f"{package:<12} guarded / bare {median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f}); {added:,.0f} us a call")


def timed(run):
    def turn():
        begun = time.perf_counter()
        run()
        return time.perf_counter() - begun

    return turn


if __name__ == "__main__":
    main()
