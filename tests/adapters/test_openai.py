"""OpenAI SDK: loops over chat completions and responses, streamed ones, and the SDK's own runner, against a local transport."""

import asyncio
import json

import pytest

pytest.importorskip("openai")

import httpx2
from contract import Contract, Talk, call
from openai import AsyncOpenAI, OpenAI
from openai.lib.responses_tool_runner import ResponsesToolRunner

from toolguard.adapters.openai import guarding

PROPERTIES = {"amount": {"type": "number"}}
SCHEMA = {"type": "object", "properties": PROPERTIES, "required": ["amount"], "additionalProperties": False}
DEFINITION = {"type": "function", "name": "issue_refund", "description": "Refund.", "strict": True, "parameters": SCHEMA}


def chat(content, reason):
    choice = {"index": 0, "message": {"role": "assistant", **content}, "finish_reason": reason}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice]}


def chunk(delta, reason=None):
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}


def response(output):
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {}, "temperature": 1, "top_p": 1}
    none = dict.fromkeys(("error", "incomplete_details", "instructions"))
    return {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "model": "fake",
        "status": "completed",
        "output": output,
        **rest,
        **none,
    }


class Model:
    """The provider: says the next turn, in the form that is asked for."""

    def __init__(self, turns):
        self.turns, self.seen = iter([*turns, None]), []

    def __call__(self, request):
        body = json.loads(request.content)
        self.seen.append(body)
        turn = next(self.turns)
        if request.url.path.endswith("/responses"):
            return httpx2.Response(200, json=response(self.items(turn)))
        calls = [
            {"id": each["id"], "type": "function", "function": {"name": each["name"], "arguments": json.dumps(each["args"])}}
            for each in turn or ()
        ]
        if not body.get("stream"):
            said = {"content": None, "tool_calls": calls} if calls else {"content": "done"}
            return httpx2.Response(200, json=chat(said, "tool_calls" if calls else "stop"))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=self.pieces(calls))

    @staticmethod
    def items(turn):
        if turn is None:
            text = {"type": "output_text", "text": "done", "annotations": []}
            return [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}]
        rest = {"type": "function_call", "status": "completed"}
        return [
            {**rest, "id": f"f{each['id']}", "call_id": each["id"], "name": each["name"], "arguments": json.dumps(each["args"])}
            for each in turn
        ]

    @staticmethod
    def pieces(calls):
        deltas = [{"role": "assistant", "content": None if calls else "done"}]
        for index, each in enumerate(calls):
            text = each["function"]["arguments"]
            first = {"index": index, "id": each["id"], "type": "function", "function": {**each["function"], "arguments": ""}}
            deltas.append({"tool_calls": [first]})
            parts = [text[start : start + 3] for start in range(0, len(text), 3)]
            deltas += [{"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in parts]
        chunks = [*map(chunk, deltas), chunk({}, "tool_calls" if calls else "stop")]
        return "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + "data: [DONE]\n\n"


class Loop(Contract):
    example = "openai_loop.py"
    denies_as_error = False
    pauses = False
    rewrites = False

    def guarded(self, guard, ran, decorate=None, **options):
        def issue_refund(amount: float) -> str:
            if amount == 13:
                raise ValueError("no")
            ran.append(amount)
            return f"refunded {amount}"

        options.pop("wait", None)
        return guarding(
            guard, {"issue_refund": decorate(issue_refund) if decorate else issue_refund}, session_id="s", **options
        )

    def client(self, model):
        return OpenAI(api_key="x", base_url="http://fake/v1", http_client=httpx2.Client(transport=httpx2.MockTransport(model)))

    def async_client(self, model):
        transport = httpx2.MockTransport(model)
        return AsyncOpenAI(api_key="x", base_url="http://fake/v1", http_client=httpx2.AsyncClient(transport=transport))


class TestChat(Loop):
    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        talk, model = Talk(), Model(turns)
        tools = self.guarded(guard, talk.ran, decorate, **options)
        messages = [{"role": "user", "content": "refund, please"}]

        async def asked(client):
            return (await client.chat.completions.create(model="fake", messages=messages)).choices[0].message

        while True:
            if mode == "sync":
                message = self.client(model).chat.completions.create(model="fake", messages=messages).choices[0].message
            elif mode == "async":
                message = asyncio.run(asked(self.async_client(model)))
            else:
                with self.client(model).chat.completions.stream(model="fake", messages=messages) as stream:
                    message = stream.get_final_completion().choices[0].message
            messages.append(message.to_dict())
            outputs = asyncio.run(tools.run_async(message)) if mode == "async" else tools.run(message)
            if not outputs:
                break
            messages += outputs
            talk.told |= {each["tool_call_id"]: each["content"] for each in outputs}
        talk.final = messages[-1]["content"]
        return talk

    @pytest.mark.parametrize("text", ['{"amount": NaN}', '{"amount": 1000, "amount": 1}', "[1]", "{"])
    def test_arguments_that_are_read_in_two_ways_are_denied(self, guard, text):
        ran = []
        said = self.guarded(guard, ran).tools.call("issue_refund", text)
        assert "malformed call" in said.text
        assert ran == []


class TestResponses(Loop):
    modes = ("sync", "async")

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        talk, model = Talk(), Model(turns)
        tools = self.guarded(guard, talk.ran, decorate, **options)
        given = [{"role": "user", "content": "refund, please"}]
        while True:
            answer = self.client(model).responses.create(model="fake", input=given)
            given += [each.to_dict() for each in answer.output]
            outputs = asyncio.run(tools.run_async(answer)) if mode == "async" else tools.run(answer)
            if not outputs:
                break
            given += outputs
            talk.told |= {each["call_id"]: each["output"] for each in outputs}
        talk.final = given[-1]["content"][0]["text"]
        return talk


class TestRunner(Loop):
    modes = ("sync",)

    def talk(self, guard, turns, *, answers=(), mode="sync", rewrite=None, decorate=None, **options):
        talk, model = Talk(), Model(turns)
        functions = self.guarded(guard, talk.ran, decorate, **options).registered([DEFINITION])
        asked = {"model": "fake", "input": [{"role": "user", "content": "x"}], "store": False}
        end = ResponsesToolRunner(functions=functions).run(self.client(model), asked, max_steps=9)
        outputs = [each for each in model.seen[-1]["input"] if each.get("type") == "function_call_output"]
        talk.told = {each["call_id"]: each["output"] for each in outputs}
        talk.final = end.output[0].content[0].text
        return talk

    def test_an_unknown_tool_is_denied(self, guard, mode):
        """The runner itself knows what it has, and ends."""
        with pytest.raises(Exception, match="not registered"):
            self.talk(guard, [[call(1, 1.0, tool="drop_everything")]])
