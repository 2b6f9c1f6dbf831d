"""The nouns: what is proposed, what a rule does, what comes out, what is recorded. No behaviour beyond derived text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from toolguard.canonical import digest, encode
from toolguard.text import shown
from toolguard.walk import Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPTURES = ("none", "digest", "redacted", "full")  # what a record may keep of parameters, from the least to the most
FINAL = "This is final for these arguments: do not repeat the same call."
WAIT = "Do not repeat it, and do not look for a way around it."


class Verdict(IntEnum):
    """What a rule does and what comes out. Ordered: the most restrictive wins, so combining is `max()`."""

    ALLOW = 0
    FLAG = 1
    ESCALATE = 2
    DENY = 3

    @property
    def word(self) -> str:
        """The verdict as policies, the ledger and the command line spell it."""
        return self.name.lower()

    def __str__(self) -> str:
        """Same as `word`."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str, what: str) -> Verdict:
        """Read `word`; `what` is the option that it was given for.

        Raises:
            ValueError: it is none.
        """
        try:
            return cls[word.upper()]
        except (KeyError, AttributeError):
            words = ", ".join(verdict.word for verdict in cls)
            raise ValueError(f"`{what}` cannot be `{word}` (only {words})") from None


@dataclass(slots=True)
class ToolCall:
    """A call that a model proposes. `params` is the model's and never trusted; everything else is the host program's.

    `limits` is how each limit stood before it, by its id: `used`, `remaining` and `ratio`; `answers` is whether what rules ask
    about has happened before it. Both are empty while nobody has looked. `came` is what came back of it, None before.
    `ask` is who answers what only a model can, None while nobody is to be asked.
    """

    tool: str
    params: Mapping[str, Any] = field(repr=False)  # they may be secret, and a `repr` ends in logs
    tool_group: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    org_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    call_id: str = ""
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, compare=False)
    answers: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    came: Came | None = field(default=None, repr=False, compare=False)
    ask: Any = field(default=None, repr=False, compare=False)

    @property
    def params_digest(self) -> str:
        """A digest (hex) of plain parameters: two calls share it only when every value, and its type, is the same."""
        return digest(encode(self.params)).hex()


@dataclass(frozen=True, slots=True)
class Came:
    """What came back of a call, as plain data: its value, or what the error that it raised says (`raised`).

    `why_unknown` is why it cannot be read.
    """

    result: Any = None
    raised: bool = False
    why_unknown: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, as the host program knows it, and what else the host program vouches for."""

    agent_id: str | None = None
    session_id: str | None = None
    org_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Citation:
    """Where people wrote the rule down, so that a reviewer can read it there."""

    document_id: str | None = None
    document_title: str | None = None
    section: str | None = None
    page: int | None = None
    line: int | None = None
    excerpt: str | None = None

    def __str__(self) -> str:
        """`Refund SOP §2.3: "..."`, or with a full stop where there is no excerpt."""
        document = self.document_title or self.document_id or "a document without a name"
        section = f" §{self.section}" if self.section else ""
        excerpt = f': "{self.excerpt.strip()}"' if self.excerpt else "."
        return f"{document}{section}{excerpt}"


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that fired, or a limit that was reached. `indeterminate` says why it could not be evaluated, if that is why.

    `limit` is True for a limit, whose id is the `rule_id`; `detail` says more of why.
    """

    policy_id: str
    policy_version: int | None
    rule_id: str
    rule_name: str | None
    effect: Verdict
    mode: str = "enforcement"
    indeterminate: str | None = None
    severity: str | None = None
    suggested_response: str | None = None
    escalate_to: str | None = None
    timeout_minutes: int | None = None
    quorum: int | None = None
    standing_calls: int | None = None
    standing_minutes: int | None = None
    outlives_policies: bool | None = None
    citation: Citation | None = None
    limit: bool | None = None
    detail: str | None = None
    redact: tuple[Obligation, ...] | None = None

    @property
    def title(self) -> str:
        """The rule, or the limit, as a person calls it."""
        return f"{'limit' if self.limit else 'rule'} `{self.rule_id}`" + (f" ({self.rule_name})" if self.rule_name else "")


@dataclass(frozen=True, slots=True)
class LimitUse:
    """What one call has to do with one limit: it adds `amount` to what was used by `key` `before`, if it is `counted`.

    Numbers are texts without an exponent; `time` is nanoseconds since 1970, `counter` the name of what counts in the ledger.
    `trips` is the level and the kind of scope of the halt that it calls for.
    """

    limit_id: str
    policy_id: str
    key: tuple[Any, ...]
    amount: str
    before: str
    after: str
    max: str
    window: str
    time: int
    counted: bool
    counter: str
    trips: tuple[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, without what the record says in other places (its time, and the state that it changed)."""
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("time", "counter")}
        return {name: value for name, value in said.items() if value is not None}

    def __str__(self) -> str:
        """In one line."""
        whose = f" by {shown(list(self.key))}" if self.key else ""
        counted = "counted" if self.counted else "not counted"
        standing = f"{self.before} of {self.max} used ({self.window}){whose}"
        return f"limit `{self.limit_id}` of policy `{self.policy_id}`: {standing}, {self.amount} more: {counted}"


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that must be done with the call or its result; one that cannot be carried out means deny.

    `redact` removes the value of the field `target` or, with `kinds` (see `classify.sensitive.chosen`), what is found in it.
    `own` are the policy's own kinds, by name, with their patterns. `how` is `mask`, `hash`, `drop` or `last4`; `place` is
    `call`, or only its `record`.
    """

    kind: str
    target: str
    how: str = "mask"
    place: str = "call"
    kinds: str | None = None
    own: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Approval:
    """A person's answer to one escalated call."""

    granted: bool
    by: str
    note: str | None = None


@dataclass(slots=True)
class Decision:
    """The verdict on one call and everything that led to it.

    `hits` are the rules that fired and count, most restrictive first; `shadow_hits` are recorded and change nothing.
    `cause` is set where something other than a rule decided (no policy, a malformed call, a ledger that cannot be written).
    `record` is this decision in the ledger, None while it is not there. `policies` are those it was made with. `halted` says
    that a halt denies it. `limits` is what the call has to do with limits; `throttle` the scope of a halt that slows it down.
    `escalation` is the call as it waits for an answer, or waited (`escalations.Escalation`), where answers are kept. `redacted`
    are the parameters as the tool gets them, and `kept` as the ledger does, where obligations change them.
    """

    call: ToolCall
    verdict: Verdict
    hits: tuple[RuleHit, ...] = ()
    shadow_hits: tuple[RuleHit, ...] = ()
    revision: str = ""
    policies: Explains | None = field(default=None, repr=False, compare=False)
    cause: str = ""
    obligations: tuple[Obligation, ...] = ()
    record: Record | None = None
    halted: bool = False
    limits: tuple[LimitUse, ...] = ()
    throttle: str | None = None
    escalation: Any = None
    redacted: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    kept: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def params(self) -> Mapping[str, Any]:
        """What the tool has to run with: the parameters that were judged, with the obligations carried out."""
        return self.call.params if self.redacted is None else self.redacted

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """A copy in another process has everything but the policies, and so cannot be explained there."""
        return None, {f.name: getattr(self, f.name) if f.name != "policies" else None for f in fields(self)}

    @property
    def allowed(self) -> bool:
        """Whether the tool may run now (allow or flag)."""
        return self.verdict <= Verdict.FLAG

    @property
    def primary(self) -> RuleHit | None:
        """The hit that decided: the first of the most restrictive ones."""
        return self.hits[0] if self.hits else None

    @property
    def reason(self) -> str:
        """Why, in one line; rules that could not be evaluated for the same cause are named together."""
        if self.cause:
            return self.cause
        unknown: dict[str, list[str]] = {}
        parts = []
        for hit in self.hits:
            if hit.effect == self.verdict and hit.indeterminate:
                unknown.setdefault(hit.indeterminate, []).append(hit.title)
            elif hit.effect == self.verdict:
                parts.append(f"{hit.title}: {hit.detail}" if hit.detail else hit.title)
        parts += [f"{cause}, so {' and '.join(titles)} cannot be evaluated" for cause, titles in unknown.items()]
        return "; ".join(parts) or "no rule fired"

    def message_for_model(self, reason: str = "") -> str:
        """What the agent may be told. `reason` is why an escalated call was refused, or replaces a denial's own."""
        what = f"{'The call to' if self.call.came is None else 'What came back of'} `{self.call.tool}`"
        if self.allowed:
            return f"{what} is allowed."
        if self.verdict == Verdict.ESCALATE and not reason:
            return f"{what} waits for the approval of a person: {self.reason}. {WAIT}"
        hit = self.primary
        became = "was not carried out" if self.call.came is None else "is withheld"
        parts = [f"{what} {became}: {reason or self.reason}."]
        if hit and hit.citation:
            parts.append(f"Source: {hit.citation}")
        if hit and hit.suggested_response and not hit.indeterminate:  # it answers the rule, not arguments nobody can read
            parts.append(hit.suggested_response.strip())
        return " ".join([*parts, FINAL])

    def explain(self) -> Explanation:
        """The walk through every rule that could apply, with the values each condition saw (they may be secret)."""
        return self.policies.explain(self) if self.policies else Explanation(self)

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON-able data; parameters are left out, because they may be secret."""
        return {
            "verdict": self.verdict.word,
            "reason": self.reason,
            "tool": self.call.tool,
            "call_id": self.call.call_id,
            "params_digest": self.call.params_digest,
            "revision": self.revision,
            "hits": [to_dict(hit) for hit in self.hits],
            "shadow_hits": [to_dict(hit) for hit in self.shadow_hits],
            "obligations": [to_dict(duty) for duty in self.obligations],
            "limits": [use.to_dict() for use in self.limits],
            "record": self.record.seq if self.record else None,
        }


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the ledger: its number, the exact bytes written, and the hash that seals it and all before it.

    `payload` lies beside it, is not hashed, and can be erased: it opens the commitments in the body.
    """

    seq: int
    body: bytes = field(repr=False)
    hash: bytes
    payload: bytes | None = field(default=None, repr=False)

    @property
    def content(self) -> dict[str, Any]:
        """The bytes read as JSON."""
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an allowed tool, and after how many nanoseconds.

    `returned`, `raised`, `closed` (a generator that nobody drained), or `halted` while it ran. `spent` is what it really used
    of its limits, by their ids, where it said so.
    """

    kind: str
    duration: int
    value: Any = None
    error: BaseException | None = None
    spent: Mapping[str, Any] = field(default_factory=dict)


class Explains(Protocol):
    """Policies that can say how a decision of theirs came about, and how much of its call is to be kept."""

    def counts(self, call: ToolCall) -> bool:
        """Whether the call is decided with what was before, or others may be decided with it."""

    def judges_results(self, call: ToolCall) -> bool:
        """Whether any rule looks at what comes back of the call."""

    def capture_of(self, call: ToolCall) -> str | None:
        """One of `CAPTURES`; None if they do not say."""

    def explain(self, decision: Decision) -> Explanation:
        """The walk through every rule that could apply."""


def to_dict(value: Any) -> Any:
    """A model dataclass as JSON-able data without its empty fields."""
    if isinstance(value, Verdict):
        return value.word
    if isinstance(value, tuple):
        return [to_dict(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: to_dict(item) for name, item in pairs if item is not None}
    return value
