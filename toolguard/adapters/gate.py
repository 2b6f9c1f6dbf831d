"""One framework's tool calls before one decision point: what every adapter needs, and none should write again.

An adapter asks for a ruling on a call, tells the framework in its own way that it was denied or has to wait, hands in the
answer, and runs the tool through the gate. Nothing here raises for a verdict, and the guard's own failure is a denial.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from toolguard.arguments import arguments_of
from toolguard.canonical import digest, encode, snapshot
from toolguard.enforce import carried_out, carried_out_async
from toolguard.errors import MalformedCall, StoreError, ToolDenied
from toolguard.model import Approval, Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Unpack

    from toolguard.model import Identity
    from toolguard.point import Answerable, Who

R = TypeVar("R")

GO, NO, ASK = "go", "no", "ask"
MOST = 10_000  # calls that are remembered of each kind; the oldest are forgotten
UNCHANGED = "an obligation cannot be carried out: arguments cannot be changed here"
NOT_TAKEN = "the tool does not take what an obligation has left of its arguments"
BROKEN = "it could not be judged, because the guard failed"

_logger = logging.getLogger("toolguard")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done with one call: GO, NO or ASK a person. `text` is what the model may read of it.

    `decision` is None where the guard failed; the call is denied then.
    """

    kind: str
    decision: Decision | None
    text: str
    key: Key | None = None

    @property
    def is_changed(self) -> bool:
        """Whether an obligation changes the arguments."""
        return self.decision is not None and self.decision.redacted is not None

    def is_of(self, params: Mapping[str, Any] | str | None) -> bool:
        """Whether it was made on exactly these arguments."""
        try:
            return self.decision is not None and self.decision.call.params_digest == _digest(arguments_of(params))
        except MalformedCall:
            return False

    def arguments(self, given: R) -> R | dict[str, Any]:
        """What the tool has to be run with: what was given, unless an obligation changes it."""
        return dict(cast("Decision", self.decision).params) if self.is_changed else given

    @property
    def question(self) -> dict[str, Any]:
        """What a person is shown, as JSON-able data: the call as it will run, why it waits, and the question's `id`."""
        decision = cast("Decision", self.decision)
        hit = decision.primary
        escalation = decision.escalation
        return {
            "type": "toolguard_approval",
            "id": digest(repr(self.key).encode()).hex()[:32],
            "tool": decision.call.tool,
            "params": dict(decision.params),
            "reason": decision.reason,
            "rule": hit.rule_id if hit else None,
            "citation": str(hit.citation) if hit and hit.citation else None,
            "escalate_to": hit.escalate_to if hit else None,
            "escalation_id": escalation.id if escalation is not None else None,
        }


class Key(NamedTuple):
    """One call of one caller, whenever it is handed in again: all that a decision depends on, and the call's id."""

    call: str
    tool: str
    params: str
    caller: str


def key_of(call_id: str | None, tool: str, params: str, who: Who, around: Identity) -> Key:
    """The key of a call; another caller's call of the same id is another call. `around`: what the program says of all calls."""
    said = {name: value for name, value in who.items() if name != "call_id" and value is not None}
    outer = [around.agent_id, around.session_id, around.org_id, dict(around.context)]
    return Key(call_id or "", tool, params, _digest({"said": said, "around": outer}))


class Gate:
    """Rules on calls, remembers those that wait, counts those that are denied again and again, and runs what may run.

    Args:
        point: who decides; a Guard.
        groups: the group of each tool, by its name.
        quarantine_after: put a session under quarantine (a person sees every further call) that proposes the very same
            denied call so many times.
        changes: whoever runs the tool does so with `Ruling.arguments`. Where he cannot, a call that an obligation changes is
            denied.
    """

    def __init__(
        self,
        point: Answerable,
        groups: Mapping[str, str] | None = None,
        *,
        quarantine_after: int | None = None,
        changes: bool = False,
    ) -> None:
        self.point, self._changes = point, changes
        self._groups = dict(groups or {})
        self._quarantine_after = quarantine_after
        self._asked: OrderedDict[Key, Ruling] = OrderedDict()
        self._denied: OrderedDict[tuple[str | None, str, str], int] = OrderedDict()
        self._mutex = Lock()

    # -- rulings ---------------------------------------------------------------------------------------------------------

    def ruling(self, tool: str, params: Mapping[str, Any] | str | None, **who: Unpack[Who]) -> Ruling:
        """The ruling on one call. `params` as the model gave them: a mapping, or the text of a JSON object."""
        try:
            given = self._given(tool, params, who)
            if isinstance(given, Ruling):
                return given
            return self._ruled(self.point.evaluate(tool, given, **who), who)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the guard, the call is denied
            return self._broken(tool, error)

    async def ruling_async(self, tool: str, params: Mapping[str, Any] | str | None, **who: Unpack[Who]) -> Ruling:
        """As `ruling`, for asyncio."""
        try:
            given = self._given(tool, params, who)
            if isinstance(given, Ruling):
                return given
            return self._ruled(await self.point.evaluate_async(tool, given, **who), who)
        except Exception as error:  # noqa: BLE001 - as above
            return self._broken(tool, error)

    def answered(self, ruling: Ruling, approval: Approval) -> Ruling:
        """Go on with an answer that came through the framework. Where answers have to be signed, only the ledger's count."""
        if self._still_waits(ruling):
            return ruling
        return self._after(ruling, lambda decision: self._answer(decision, approval))

    async def answered_async(self, ruling: Ruling, approval: Approval) -> Ruling:
        """As `answered`, for asyncio."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        return await asyncio.to_thread(self.answered, ruling, approval)

    def waited(self, ruling: Ruling) -> Ruling:
        """Wait here until somebody has answered, as guarded functions do."""
        return self._after(ruling, self.point.approve)

    async def waited_async(self, ruling: Ruling) -> Ruling:
        """As `waited`, for asyncio."""
        decision = cast("Decision", ruling.decision)
        try:
            settled = await self.point.approve_async(decision)
        except ToolDenied as denied:
            return self._over(ruling, denied)
        except Exception as error:  # noqa: BLE001 - as above
            return self._broken(decision.call.tool, error)
        return self._settled(ruling, settled)

    # -- running ---------------------------------------------------------------------------------------------------------

    def run(self, ruling: Ruling, tool: Callable[[], R]) -> R:
        """Run what may run, with a ticket for it; its outcome is recorded. Raises what the tool raises (ToolHalted: a halt)."""
        return carried_out(self.point, cast("Decision", ruling.decision), tool)

    async def run_async(self, ruling: Ruling, tool: Callable[[], Awaitable[R]]) -> R:
        """As `run`, for a coroutine."""
        return await carried_out_async(self.point, cast("Decision", ruling.decision), tool)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _given(self, tool: str, params: Mapping[str, Any] | str | None, who: Who) -> dict[str, Any] | Ruling:
        """The arguments; or the ruling where they are none, or where the call waits already and is handed in again."""
        who.setdefault("group", self._groups.get(tool))
        try:
            given = arguments_of(params)
            key = key_of(who.get("call_id"), tool, _digest(given), who, self.point.caller)
        except MalformedCall as malformed:
            return self._ruled(self.point.refuse(tool, f"malformed call: {malformed}", **who), who)
        return self._asked.get(key, given)

    def _ruled(self, decision: Decision, who: Who) -> Ruling:
        call = decision.call
        if decision.redacted is not None and not self._changes:
            decision = self.point.refuse(call.tool, UNCHANGED, **who)
        if decision.allowed:
            return Ruling(GO, decision, decision.message_for_model())
        if decision.verdict != Verdict.ESCALATE:
            return Ruling(NO, decision, decision.message_for_model() + self._again(decision))
        key = key_of(call.call_id, call.tool, call.params_digest, who, self.point.caller)
        ruling = Ruling(ASK, decision, decision.message_for_model(), key)
        with self._mutex:
            keep(self._asked, key, ruling)
        return ruling

    def _again(self, decision: Decision) -> str:
        """Count a denied call; what to add to the denial if it is not the first time."""
        call = decision.call
        key = call.session_id, call.tool, call.params_digest
        with self._mutex:
            times = self._denied.pop(key, 0) + 1
            keep(self._denied, key, times)
        if times == self._quarantine_after and call.session_id is not None:
            try:
                reason = f"the same denied call of `{call.tool}` was proposed {times} times"
                self.point.halt(f"session:{call.session_id}", level="quarantine", reason=reason, by="toolguard")
            except (StoreError, ValueError):
                _logger.exception("session %s could not be put under quarantine", call.session_id)
        return f" This very call was denied {times} times." if times > 1 else ""

    def _still_waits(self, ruling: Ruling) -> bool:
        escalation = cast("Decision", ruling.decision).escalation
        if escalation is None:
            return False
        try:
            return any(one.id == escalation.id and one.round == escalation.round for one in self.point.pending())
        except StoreError:
            return True

    def _answer(self, decision: Decision, approval: Approval) -> Decision:
        if decision.escalation is not None:
            return self.point.approve(decision)  # it waits no longer, so this does not either
        return self.point.answer(decision, approval)

    def _after(self, ruling: Ruling, settle: Callable[[Decision], Decision]) -> Ruling:
        decision = cast("Decision", ruling.decision)
        try:
            settled = settle(decision)
        except ToolDenied as denied:
            return self._over(ruling, denied)
        except Exception as error:  # noqa: BLE001 - as above
            return self._broken(decision.call.tool, error)
        return self._settled(ruling, settled)

    def _settled(self, ruling: Ruling, decision: Decision) -> Ruling:
        self._forget(ruling)
        return Ruling(GO, decision, f"The call to `{decision.call.tool}` was approved.")

    def _over(self, ruling: Ruling, denied: ToolDenied) -> Ruling:
        self._forget(ruling)
        return Ruling(NO, denied.decision, denied.message_for_model())

    def _forget(self, ruling: Ruling) -> None:
        if ruling.key is not None:
            with self._mutex:
                self._asked.pop(ruling.key, None)

    def _broken(self, tool: str, error: Exception) -> Ruling:
        _logger.error("the call of `%s` could not be judged, and is denied", tool, exc_info=error)
        return Ruling(NO, None, f"The call to `{tool}` was not carried out: {BROKEN}. Do not try it again; tell your user.")


def _digest(params: Any) -> str:
    return digest(encode(snapshot(params)[1])).hex()


def keep(memory: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """Remember it, and forget the oldest."""
    memory[key] = value
    while len(memory) > MOST:
        memory.popitem(last=False)


def plain_values(given: Any) -> dict[str, Any] | None:
    """The texts, numbers and truth values that a program has given its framework: of a mapping, or an object's attributes."""
    values = given if isinstance(given, dict) else getattr(given, "__dict__", None)
    plain = {name: value for name, value in (values or {}).items() if isinstance(value, str | int | float | bool)}
    return plain or None
