"""Anthropic SDK: its tool runner as it is, streaming and eager, against a local transport."""

import asyncio
import json

import pytest

pytest.importorskip("anthropic")

import httpx2
from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool
from contract import Contract, Talk, call

from toolguard.adapters.anthropic import guarding


def message(content, reason):
    rest = {"stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    return {"id": "msg", "type": "message", "role": "assistant", "model": "fake", "content": content, **rest}


class Model:
    """The provider: says the next turn, in one piece or as a stream."""

    def __init__(self, turns):
        self.turns, self.seen = iter([*turns, None]), []

    def __call__(self, request):
        body = json.loads(request.content)
        self.seen.append(body)
        turn = next(self.turns)
        content = [{"type": "text", "text": "done"}]
        if turn is not None:
            content = [{"type": "tool_use", "id": each["id"], "name": each["name"], "input": each["args"]} for each in turn]
        reason = "end_turn" if turn is None else "tool_use"
        if not body.get("stream"):
            return httpx2.Response(200, json=message(content, reason))
        text = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in self.events(content, reason))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=text)

    @staticmethod
    def events(content, reason):
        yield {"type": "message_start", "message": message([], None)}
        for index, block in enumerate(content):
            where = {"index": index}
            if block["type"] == "text":
                yield {"type": "content_block_start", **where, "content_block": {"type": "text", "text": ""}}
                yield {"type": "content_block_delta", **where, "delta": {"type": "text_delta", "text": block["text"]}}
            else:
                yield {"type": "content_block_start", **where, "content_block": {**block, "input": {}}}
                text = json.dumps(block["input"])
                for start in range(0, len(text), 4):
                    delta = {"type": "input_json_delta", "partial_json": text[start : start + 4]}
                    yield {"type": "content_block_delta", **where, "delta": delta}
            yield {"type": "content_block_stop", **where}
        yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 1}}
        yield {"type": "message_stop"}


@pytest.mark.filterwarnings("ignore:Tool 'drop_everything' not found")
class TestRunner(Contract):
    example = "anthropic_runner.py"
    pauses = False
    rewrites = False
    eager = False

    def tool(self, ran, decorate, *, coroutine):
        def refund(amount):
            if amount == 13:
                raise ValueError("no")
            ran.append(amount)
            return f"refunded {amount}"

        def issue_refund(amount: float) -> str:
            """Refund."""
            return refund(amount)

        async def issue_refund_later(amount: float) -> str:
            """Refund."""
            return refund(amount)

        function = issue_refund_later if coroutine else issue_refund
        made = (beta_async_tool if coroutine else beta_tool)(decorate(function) if decorate else function)
        made.name = "issue_refund"
        return made

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        talk, model = Talk(), Model(turns)
        options.pop("wait", None)
        (tool,) = guarding(guard, [self.tool(talk.ran, decorate, coroutine=mode == "async")], session_id="s", **options)
        asked = {"model": "fake", "max_tokens": 9, "messages": [{"role": "user", "content": "refund"}], "tools": [tool]}
        transport = httpx2.MockTransport(model)

        async def conversation():
            async with httpx2.AsyncClient(transport=transport) as http:
                client = AsyncAnthropic(api_key="x", base_url="http://fake", http_client=http)
                return await client.beta.messages.tool_runner(**asked).until_done()

        if mode == "async":
            end = asyncio.run(conversation())
        else:
            with httpx2.Client(transport=transport) as http:
                client = Anthropic(api_key="x", base_url="http://fake", http_client=http)
                if mode == "sync":
                    end = client.beta.messages.tool_runner(**asked).until_done()
                else:
                    for stream in client.beta.messages.tool_runner(**asked, stream=True, run_tools_eagerly=self.eager):
                        for _ in stream:
                            pass
                        end = stream.get_final_message()
        said = (each["content"] for body in model.seen for each in body["messages"] if each["role"] == "user")
        for part in (part for content in said if isinstance(content, list) for part in content):
            text = part["content"]
            talk.told[part["tool_use_id"]] = text if isinstance(text, str) else text[0]["text"]
            talk.failed |= {part["tool_use_id"]} if part.get("is_error") else set()
        talk.final = end.content[0].text
        return talk

    def test_what_runs_at_the_provider_is_refused(self, guard):
        search = {"type": "web_search_20250305", "name": "web_search"}
        with pytest.raises(TypeError, match="web_search"):
            guarding(guard, [search])
        assert guarding(guard, [search], unguarded=["web_search"]) == [search]


class TestEagerRunner(TestRunner):
    """Tools run while the message still comes in."""

    modes = ("stream",)
    eager = True

    def test_tools_run_before_the_message_ends_and_are_judged(self, guard):
        assert self.talk(guard, [[call(1, 1000.0), call(2, 50.0)]], mode="stream").ran == [50.0]
