"""MCP: a server with the guard's extension, and a client in the same process. `pip install 'toolguard-embedded[mcp]'`."""

import asyncio

from mcp.client.client import Client
from mcp.server.mcpserver import MCPServer
from story import REFUNDS, guard, issue_refund, show

from toolguard.adapters.mcp import guarding


async def main() -> None:
    with guard() as point:
        server = MCPServer("refunds", extensions=[guarding(point)])
        server.tool()(issue_refund)
        async with Client(server) as client:
            for amount in REFUNDS:
                result = await client.call_tool("issue_refund", {"amount": amount})
                show(amount, result.content[0].text)


asyncio.run(main())
