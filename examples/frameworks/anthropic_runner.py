"""Anthropic SDK: its tool runner, guarded, against a local transport. `pip install 'toolguard-embedded[anthropic]'`."""

import json

import httpx2
from anthropic import Anthropic, beta_tool
from story import REFUNDS, guard, issue_refund, show

from toolguard.adapters.anthropic import guarding

turns = iter([*REFUNDS, None])
told = []


def provider(request: httpx2.Request) -> httpx2.Response:
    """In the place of the model: it asks for each refund, then is done."""
    last = json.loads(request.content)["messages"][-1]["content"]
    told.extend(part["content"] for part in last if isinstance(part, dict))
    amount = next(turns)
    content, reason = [{"type": "text", "text": "done"}], "end_turn"
    if amount is not None:
        content, reason = [{"type": "tool_use", "id": "c", "name": "issue_refund", "input": {"amount": amount}}], "tool_use"
    rest = {"stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    return httpx2.Response(
        200, json={"id": "m", "type": "message", "role": "assistant", "model": "x", "content": content, **rest}
    )


with guard() as point, httpx2.Client(transport=httpx2.MockTransport(provider)) as http:
    client = Anthropic(api_key="none", base_url="http://local", http_client=http)
    tools = guarding(point, [beta_tool(issue_refund)], session_id="s-1")
    asked = [{"role": "user", "content": "refund, please"}]
    client.beta.messages.tool_runner(model="x", max_tokens=9, messages=asked, tools=tools).until_done()
for amount, text in zip(REFUNDS, told, strict=True):
    show(amount, text if isinstance(text, str) else text[0]["text"])
