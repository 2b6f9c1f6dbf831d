"""The Guard: loads policies, judges calls, keeps the record. The order of one call is the text of `evaluate`."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack

from toolguard.approvals.answer import withdraw
from toolguard.approvals.asking import Asking, Verbs
from toolguard.approvals.desk import Desk
from toolguard.approvals.escalation import PREFIX, Escalation, key_of, waiting
from toolguard.approvals.people import people_of
from toolguard.audit.chance import random_id
from toolguard.audit.checkpoint import Checkpoints
from toolguard.audit.log import IN_PROCESS, Log, captures_of
from toolguard.callers import Callers
from toolguard.engine.compile import PolicySet
from toolguard.engine.decide import decide
from toolguard.errors import ApprovalUnavailable, MalformedCall, StoreError
from toolguard.figures import FIGURES
from toolguard.halt import GLOBAL, LEVELS, Halt, Halts, check_scope, tripped
from toolguard.model import Decision, Identity, Outcome, ToolCall, Verdict
from toolguard.point import Who
from toolguard.policy.load import load_policies, pack_files, policy_files
from toolguard.proposal import again, harmless, identify, merged, plain_call
from toolguard.recording import Recording
from toolguard.redact import MIN_KEY, obliged
from toolguard.releasing import Releasing
from toolguard.results import Results
from toolguard.running import Running, RunningCall
from toolguard.semantic import in_a_thread, questions
from toolguard.stores.given import opened
from toolguard.text import printable
from toolguard.watch import Watcher
from toolguard.wrapping import Wrapping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from toolguard.approvals.callback import Approver
    from toolguard.classify.semantic import SemanticClassifier
    from toolguard.model import Approval, Record
    from toolguard.stores.base import Store


MAX_CAUSE = 1000  # characters

_logger = logging.getLogger("toolguard")


class Guard(Wrapping, Callers, Results):
    """Decides proposed tool calls against policies and records every decision before the tool may run.

    Args:
        policies: a YAML file, a folder of them, YAML text, policy objects, or a list of these. None at all denies everything.
        pack: the name of a starter pack that ships with the library, or several, added to `policies`.
        ledger: the SQLite file of the record, created when it is not there; `":memory:"` keeps it in the process; or a store.
        unmatched: the verdict on a tool that no policy covers. Anything but "deny" is your explicit choice.
        enforce_shadow: treat shadow policies as enforced ones, as the reference's server does unless told otherwise.
        rate: how many calls each agent may make, such as "60/1m", whatever the tools; all without an `agent_id` share one.
        track: keep what the reference's policies ask of an agent's past (`context.verified.agent_velocity.*`, ...) itself, in
            the place of what `context` says.
        durability: "durable", the record of an allowed call survives a power loss before its tool runs; "process", the end of
            the process; "async", no call waits for its record, and up to 10,000 of the last are lost with the process.
        capture: how much of a call's parameters the ledger keeps, for all tools or by tool (`"*"` for every other one), unless
            a policy says so: "none"; "digest", what it takes to prove a value somebody else kept; "redacted", also their shape,
            without texts and long numbers; "full", everything.
        checkpoints: when the ledger is summed up in a checkpoint, with which key it is signed, and where it is copied to.
        approver: asked for an escalated call of a guarded tool, with the decision; True or a granted `Approval` lets it run.
            A coroutine is awaited where the tool is one, too. Without an approver an escalation is a denial.
        approvers: keys (`NAME+ID+KEY`) of people whose signed answers count, each with its roles (`["*"]`: every one), or the
            file that `toolguard approvers` writes. Escalated calls are then kept in the ledger, and guarded tools wait.
        on_decision: told of every decision once it is recorded, for logs and metrics; it cannot change anything.
        semantic: who answers what only a language model can, where a policy asks (`semantic.OllamaClassifier` on this machine).
        redaction_key: 16 bytes or more that digests of what is redacted are made with, where a policy says `how: hash`.
        placement: where the guard stands, for its records; now, new_id: nanoseconds since 1970, and the id of a nameless call.

    Raises:
        ValueError: `unmatched` is no verdict, `rate` no rate, `durability` or `capture` none there is, or a key is missing.
        PolicyError: a policy was refused; nothing was loaded.
        StoreError: the ledger cannot be opened (LedgerCorrupt: its chain does not hold).
    """

    def __init__(
        self,
        policies: Any = (),
        *,
        pack: str | Sequence[str] | None = None,
        ledger: str | Path | Store = "toolguard.db",
        unmatched: str = "deny",
        enforce_shadow: bool = False,
        rate: str | None = None,
        track: bool = False,
        durability: str = "durable",
        capture: str | Mapping[str, str] = "digest",
        checkpoints: Checkpoints = Checkpoints(),  # noqa: B008 - frozen
        approver: Approver | None = None,
        approvers: Mapping[str, Sequence[str]] | str | Path | None = None,
        on_decision: Callable[[Decision], object] | None = None,
        semantic: SemanticClassifier | None = None,
        redaction_key: bytes | None = None,
        placement: str = IN_PROCESS,
        now: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        given = list(policies) if isinstance(policies, Iterator) else policies
        self._sources = [given, *pack_files(*([pack] if isinstance(pack, str) else pack or ()))]
        verdict = Verdict.parse(unmatched, "unmatched")
        self._compiled = partial(
            PolicySet, unmatched=verdict, enforce_shadow=enforce_shadow, rate=rate, tracked=FIGURES if track else ()
        )
        self._redaction_key = redaction_key
        self.policies = self._fresh()
        captures = captures_of(capture, durability)
        self.store: Store = opened(ledger)
        self._halts = Halts(self.store)
        self._running = Running(lambda: self.store.signal() == self._halts.quiet, lambda one: self._halts.over(one.call))
        self._log = Log(self.store, now, captures, placement=placement, durability=durability)
        self._on_decision = on_decision
        self._new_id = new_id
        self._questions = questions(lambda: self.policies.asks, self._halts.denies, semantic)
        self._reloading, self._watchers = threading.Lock(), list[Watcher]()
        try:
            desk = Desk(people_of(approvers), self.store.ledger_id) if approvers is not None else None
            self._recording = Recording(self._log, desk, partial(obliged, key=redaction_key))
            verbs = Verbs(self._halts.applied_to, self._recording.approval, self._judged_again)
            self._asking = Asking(approver, self._log, verbs)
            self._releasing = Releasing(self._recording, self._asking, redaction_key, self._questions, self._told)
            self._log.open(self.policies, checkpoints)
            self._at_exit = atexit.register(partial(_end, weakref.ref(self), os.getpid()))
        except BaseException:
            self.store.close()
            raise

    @property
    def revision(self) -> str:
        """The digest of the policies in force (hex)."""
        return self.policies.revision

    def evaluate(
        self,
        tool: str,
        params: Mapping[str, Any],
        *,
        group: str | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        org_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        call_id: str | None = None,
    ) -> Decision:
        """Judge and record one proposed call, for loops that dispatch tools themselves. Never raises for a verdict.

        `params` are the model's words; everything else is yours. What is not given here comes from `acting_as`. The tool may
        run only if `decision.allowed`; what it runs with has to be what was judged.
        """
        who = Who(group=group, agent_id=agent_id, session_id=session_id, org_id=org_id, context=context, call_id=call_id)
        return self._recorded(self._judged(tool, params, **who))

    async def evaluate_async(self, tool: str, params: Mapping[str, Any], **who: Unpack[Who]) -> Decision:
        """As `evaluate`, for asyncio: while the record is brought to the disk, other coroutines go on."""
        judge = partial(self._judged, tool, params, **who)
        decision = await self._recording.decision_async(await in_a_thread(judge) if self.policies.asks else judge())
        late = self._overtaken(decision)
        return self._told(decision if late is None else await self._recording.decision_async(late))

    def _judged_again(self, decision: Decision) -> Decision:
        if decision.call.came is not None:
            return self._releasing.judged_again(decision)
        return self._recorded(self._judged(**again(decision.call)))

    def _judged(self, tool: str, params: Mapping[str, Any], **who: Unpack[Who]) -> Decision:
        """The decision, without its record."""
        call = ToolCall(tool, params, who.get("group"), call_id=who.get("call_id") or self._new_id())
        try:
            self._identified(call, **who)
            call.ask = self._questions(call)
            return self._recording.obliged(self._halts.applied_to(decide(self.policies, call)))
        except MalformedCall as malformed:
            return self._denial(harmless(call), f"malformed call: {malformed}")
        except Exception as error:  # whatever is wrong with us, the call does not go through
            _logger.exception("the decision on `%s` failed", call.tool)
            return self._denial(call, f"internal error: {type(error).__name__}: {error}")

    def _identified(self, call: ToolCall, **who: Unpack[Who]) -> None:
        """Make it a plain call of whoever is calling; raises MalformedCall."""
        agent_id, session_id, org_id = who.get("agent_id"), who.get("session_id"), who.get("org_id")
        context, caller = who.get("context"), self.caller
        if any(given is not None for given in (agent_id, session_id, org_id, context)):
            caller = merged(caller, Identity(agent_id, session_id, org_id, {} if context is None else context))
        identify(call, caller)
        plain_call(call)

    def halt(self, scope: str = GLOBAL, *, reason: str, by: str, level: str = "halt") -> Record:
        """Stop everything, or an `org:NAME`, `agent:NAME`, `session:NAME` or `tool:NAME`, until somebody resumes it.

        It is on the disk when this returns, and every process that shares the ledger sees it in its next call. `level` is
        "warn" (calls are flagged), "throttle" (six a minute), "quarantine" (put before a person), "block" (denied) or "halt"
        (what runs is stopped, too).

        Raises:
            ValueError: there is no such scope or level.
            StoreError: it could not be recorded, and nothing is halted.
        """
        if level not in LEVELS:
            raise ValueError(f"there is no level `{level}` (only {', '.join(LEVELS)})")
        halt = Halt(check_scope(scope), reason, by, self._log.now(), level)
        return self._log.halt("halt", {"level": level, "reason": reason, "by": by}, scope, halt.to_bytes())

    def resume(self, scope: str = GLOBAL, *, reason: str, by: str) -> Record:
        """Lift the halt of exactly this scope; others stay.

        Raises:
            StoreError: it is not halted, or that could not be recorded and it stays so.
        """
        return self._log.halt("resume", {"reason": reason, "by": by}, scope, None)

    def halts(self) -> tuple[Halt, ...]:
        """What is halted now, the most restrictive first."""
        return self._halts.in_force()

    def reset(self, limit_id: str, key: Sequence[Any] | None = None, *, by: str, reason: str) -> Record:
        """Begin to count a limit anew, for all or for one key (the values of its `per`, in order), and put that on record.

        Raises:
            StoreError: nothing is counted there, or it could not be recorded; then nothing is forgotten.
        """
        return self._log.reset(limit_id, key, by, reason)

    def refuse(self, tool: str, reason: str, **who: Unpack[Who]) -> Decision:
        """Record that a call was refused before it could be judged (arguments that cannot be read, for instance)."""
        call = ToolCall(tool, {}, who.get("group"), call_id=who.get("call_id") or self._new_id())
        identify(call, merged(self.caller, Identity(who.get("agent_id"), who.get("session_id"), who.get("org_id"))))
        return self._recorded(self._denial(harmless(call), reason))

    def approve(self, decision: Decision) -> Decision:
        """Have an escalated call answered: ask the approver, or wait for somebody who may answer. The decision to go on with.

        Raises:
            ApprovalUnavailable: there is nobody to ask, it failed, its answer is none, could not be recorded, or did not come.
            ApprovalRefused: the answer is no.
            ToolDenied: something else denies the call by now (ToolHalted: a halt).
        """
        return self._asking.answered(decision)

    async def approve_async(self, decision: Decision) -> Decision:
        """As `approve`, for asyncio: other coroutines go on, and an approver that is a coroutine is awaited."""
        return await self._asking.answered_async(decision)

    def answer(self, decision: Decision, approval: Approval) -> Decision:
        """Record the answer of a person whom the program has asked by itself, and vouches for. The decision to go on with.

        Where the guard has `approvers`, only answers that they have signed count, and this one is refused.

        Raises:
            ApprovalUnavailable: answers have to be signed, or this one could not be recorded.
            ApprovalRefused: the answer is no.
            ToolDenied: something else denies the call by now (ToolHalted: a halt).
        """
        if decision.escalation is not None:
            raise ApprovalUnavailable(decision, f"{decision.reason}: an answer has to be signed by one of the `approvers`")
        return self._asking.settled(decision, approval)

    def pending(self) -> list[Escalation]:
        """The escalated calls that wait for an answer, the oldest first."""
        return waiting(self.store.state(PREFIX), self._log.now())

    def withdraw(self, escalation_id: str, *, by: str, reason: str) -> Record:
        """Let a call wait no longer, or take back its approval as far as it was not used, and put that on record.

        Raises:
            StoreError: it neither waits nor is approved, or that could not be recorded.
        """
        return withdraw(self._log, key_of(escalation_id), by, reason)

    def settle(self, decision: Decision, outcome: Outcome) -> None:
        """Record what became of an allowed call. The tool has run, so a failure here is logged and not raised."""
        self._recording.outcome(decision, outcome)

    async def settle_async(self, decision: Decision, outcome: Outcome) -> None:
        """As `settle`, for asyncio."""
        await self._recording.outcome_async(decision, outcome)

    def erase(self, records: Sequence[int], params: Sequence[str] = (), *, by: str, reason: str) -> Record:
        """Destroy what the ledger keeps of the parameters of these records, all of them or those named, and put that on record.

        The commitments stay, and the chain verifies as before; without their salts they say nothing about the values.

        Raises:
            StoreError: there is no such record, or nothing in it to erase (then nothing was); or a copy is left for a while.
        """
        return self._log.erasure(records, params, by, reason)

    def running(self, decision: Decision) -> RunningCall:
        """The allowed call is about to run; what a halt can stop of it is registered there."""
        return RunningCall(self._running, decision)

    def reload(self) -> str:
        """Read the policies again from where they came and put them in force, all of them or none. Returns their revision.

        A changed revision is a record of its own. Calls that are being judged finish on the policies they began with.

        Raises:
            PolicyError, StoreError: a policy was refused, or the change could not be recorded; those in force stay.
        """
        with self._reloading:
            fresh = self._fresh()
            if fresh.revision != self.revision:
                self._log.reload(fresh, self.revision)
                _logger.info("policies of revision %s are in force", fresh.revision)
            self.policies = fresh
            return fresh.revision

    def _fresh(self) -> PolicySet:
        fresh = self._compiled(load_policies(self._sources))
        if fresh.needs_key and len(self._redaction_key or b"") < MIN_KEY:
            raise ValueError(f"a policy redacts with `how: hash`: give the guard a `redaction_key` of {MIN_KEY} bytes or more")
        return fresh

    def watch(self, interval: float = 1.0) -> Watcher:
        """Reload by itself when a policy file has changed and then kept still for `interval` seconds.

        A change that is refused is logged, and the policies in force stay. It ends with `Watcher.stop()` or `close()`; a forked
        process has to call it again.

        Raises:
            ValueError: the policies come from no file.
        """
        if not policy_files(self._sources):
            raise ValueError("there are no files to watch: the policies were given as text or as objects")
        watcher = Watcher(lambda: policy_files(self._sources), self.reload, interval)
        self._watchers.append(watcher)
        return watcher

    def close(self) -> None:
        """Let go of the ledger and of watched files; every later call is denied. The interpreter does it at its end."""
        atexit.unregister(self._at_exit)
        for watcher in self._watchers:
            watcher.stop()
        try:
            self._recording.close()
        except StoreError:  # closed already, or it cannot be written: a start without a stop says so
            _logger.debug("the end could not be recorded", exc_info=True)
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _denial(self, call: ToolCall, cause: str) -> Decision:
        """A denial that no rule made; the cause may hold the model's words, so it is cut and kept to printable characters."""
        return Decision(call, Verdict.DENY, revision=self.policies.revision, cause=printable(cause[:MAX_CAUSE]))

    def _recorded(self, decision: Decision) -> Decision:
        """The decision with its record; a decision that cannot be recorded is a denial."""
        decision = self._recording.decision(decision)
        late = self._overtaken(decision)
        return self._told(decision if late is None else self._recording.decision(late))

    def _overtaken(self, decision: Decision) -> Decision | None:
        """The denial, if the call was halted while its decision was being recorded."""
        halted = self._halts.applied_to(decision) if decision.allowed else decision
        return replace(halted, record=None) if halted.halted and halted is not decision else None

    def _told(self, decision: Decision) -> Decision:
        if decision.limits:
            self._trip(decision)
        if self._on_decision is not None:
            try:
                self._on_decision(decision)
            except Exception:
                _logger.exception("`on_decision` failed")
        return decision

    def _trip(self, decision: Decision) -> None:
        try:
            for halt in tripped(decision, self._halts):
                self.halt(halt.scope, reason=halt.reason, by=halt.by, level=halt.level)
        except StoreError:
            _logger.exception("a limit calls for a halt that could not be put in force")


def _end(ref: weakref.ref[Guard], process: int) -> None:
    """What a guard that nobody closed does at the end of the interpreter."""
    guard = ref()
    if guard is not None and process == os.getpid():
        guard.close()
    elif guard is not None:  # a forked process: its parent's guard goes on
        guard._log.flush()  # noqa: SLF001 - our own
