"""OpenAI Agents SDK: a guarded agent. `pip install 'toolguard-embedded[openai-agents]'`."""

from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call
from story import REFUNDS, guard, issue_refund, show

from toolguard.adapters.openai_agents import guarding

set_tracing_disabled(True)
asks = [[function_call("issue_refund", {"amount": amount}, call_id=f"c{number}")] for number, amount in enumerate(REFUNDS)]
agent = Agent(name="refunds", model=ScriptedModel([*asks, [assistant_message("done")]]), tools=[function_tool(issue_refund)])
with guard() as point:
    result = Runner.run_sync(guarding(point, agent), "refund, please", context={"session_id": "s-1"})
told = [str(item.output) for item in result.new_items if item.type == "tool_call_output_item"]
for amount, text in zip(REFUNDS, told, strict=True):
    show(amount, text)
