"""OpenAI SDK: `tools = guarding(guard, {"issue_refund": issue_refund})`, then `messages += tools.run(response)` in the loop.

The calls of a chat completion (its message) or of a response are judged one by one, with the arguments as the model wrote them,
and answered in the form of their API. There is no pause in these APIs: an escalated call waits for its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openai.lib.responses_tool_runner import RegisteredFunction

from toolguard.adapters.gate import Gate
from toolguard.adapters.loop import Said, Tools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from toolguard.point import Answerable, Who


def guarding(
    guard: Answerable,
    functions: Mapping[str, Callable[..., Any]],
    *,
    groups: Mapping[str, str] | None = None,
    quarantine_after: int | None = None,
    session_id: str | None = None,
    agent_id: str | None = None,
) -> GuardedTools:
    """The functions that the model may call, judged.

    Args:
        guard: who decides.
        functions: by the names that the model calls them by.
        groups: the group of each tool, by its name.
        quarantine_after: put a session under quarantine that proposes the very same denied call so many times.
        session_id, agent_id: who is calling; left out, what `guard.acting_as` says.
    """
    gate = Gate(guard, groups, quarantine_after=quarantine_after, changes=True)
    return GuardedTools(Tools(gate, functions), {"session_id": session_id, "agent_id": agent_id})


@dataclass(frozen=True, slots=True)
class GuardedTools:
    """What `guarding` makes."""

    tools: Tools
    who: Who

    def run(self, answer: Any) -> list[dict[str, Any]]:
        """The outputs of every function call in a completion, its message, or a response: what goes back to the model."""
        return [made(self.tools.call(name, text, **self._who(call))) for call, name, text, made in _calls(answer)]

    async def run_async(self, answer: Any) -> list[dict[str, Any]]:
        """As `run`, with coroutines as functions, side by side."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        calls = list(_calls(answer))
        said = await asyncio.gather(*(self.tools.call_async(name, text, **self._who(call)) for call, name, text, _ in calls))
        return [made(each) for (_, _, _, made), each in zip(calls, said, strict=True)]

    def registered(self, definitions: list[dict[str, Any]]) -> list[RegisteredFunction]:
        """The functions for the SDK's own `ResponsesToolRunner`, of their definitions."""

        def execute(name: str) -> Callable[[Any], str]:
            return lambda arguments: self.tools.call(name, arguments, **self._who(None)).text

        return [RegisteredFunction(each, execute(each["name"])) for each in definitions]

    def _who(self, call: str | None) -> Who:
        return {**self.who, "call_id": call or None}


def _calls(answer: Any) -> Iterator[tuple[str, str, str, Callable[[Said], dict[str, Any]]]]:
    """Each call's id, name and arguments, and what makes its output."""
    output = getattr(answer, "output", None)
    if output is not None:
        for item in output:
            if item.type == "function_call":
                yield item.call_id, item.name, item.arguments, _output(item.call_id)
        return
    choices = getattr(answer, "choices", None)
    message = choices[0].message if choices else answer
    for call in message.tool_calls or ():
        called = getattr(call, "function", None)
        if called is None:
            raise TypeError(f"a call of type `{call.type}` is none of a function")
        yield call.id, called.name, called.arguments, _message(call.id)


def _output(call: str) -> Callable[[Said], dict[str, Any]]:
    return lambda said: {"type": "function_call_output", "call_id": call, "output": said.text}


def _message(call: str) -> Callable[[Said], dict[str, Any]]:
    return lambda said: {"role": "tool", "tool_call_id": call, "content": said.text}
