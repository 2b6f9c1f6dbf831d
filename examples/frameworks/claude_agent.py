"""Claude Agent SDK: Claude Code with a tool of one's own, guarded. `pip install 'toolguard-embedded[claude-agent-sdk]'`."""

import asyncio

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, create_sdk_mcp_server, tool
from provider import Provider  # in the place of the model: it asks for each refund, then is done
from story import REFUNDS, guard, issue_refund, show

from toolguard.adapters.claude_agent_sdk import guarding


@tool("issue_refund", "Refund an amount to the customer.", {"amount": float})
async def refund(args: dict[str, float]) -> dict[str, object]:
    return {"content": [{"type": "text", "text": issue_refund(float(args["amount"]))}]}


async def main() -> None:
    turns = [[{"id": f"c{amount}", "name": "mcp__pay__issue_refund", "args": {"amount": amount}}] for amount in REFUNDS]
    with guard() as point, Provider(turns) as provider:
        options = ClaudeAgentOptions(
            mcp_servers={"pay": create_sdk_mcp_server("pay", tools=[refund])},
            allowed_tools=["mcp__pay__issue_refund"],
            setting_sources=[],
            env={"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "none", "ENABLE_TOOL_SEARCH": "false"},
        )
        async with ClaudeSDKClient(guarding(point, options)) as client:
            await client.query("refund, please")
            async for _ in client.receive_response():
                pass
    for amount in REFUNDS:
        show(amount, provider.told[f"c{amount}"][0].partition("hook error: ")[2] or provider.told[f"c{amount}"][0])


asyncio.run(main())
