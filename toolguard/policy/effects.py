"""What a rule or a limit says when it counts: where people wrote it down, what to answer, and whom to ask."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from toolguard.policy.strict import Name, Strict


class Citation(Strict):
    """Where people wrote this rule down."""

    document_id: Name | None = None
    """The document, as your organisation names it."""
    document_title: str | None = None
    """Its title, for people."""
    section: str | None = None
    """The section in it."""
    page: int | None = None
    """The page in it."""
    line: int | None = None
    """The line in it."""
    excerpt: str | None = None
    """The sentence the rule carries out, word for word."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if not (self.document_id or self.document_title or self.excerpt):
            raise ValueError("a citation has to name a document (`document_id`) or quote it (`excerpt`)")
        return self


class Standing(Strict):
    """How far one answer may reach: this exact call, within its session."""

    calls: Annotated[int, Field(gt=1, le=10_000)]
    """For how many calls it may be given at most."""
    minutes: Annotated[int, Field(gt=0, le=60 * 24 * 30)]
    """For how long after it was given, at most."""


class EffectConfig(Strict):
    """What to say and whom to ask when the rule fires."""

    severity: Literal["low", "medium", "high", "critical"] | None = None
    """How bad it would have been; a label."""
    suggested_response: str | None = None
    """What the agent is told to do instead."""
    escalate_to: str | None = None
    """The role that answers an escalated call. Enforced for signed answers; an approver that is a function has to check it."""
    quorum: Annotated[int, Field(gt=0, le=10)] | None = None
    """How many different people have to approve an escalated call; one if left out. One refusal is enough to refuse."""
    timeout_minutes: Annotated[int, Field(gt=0, le=60 * 24 * 30)] | None = None
    """How long an escalated call may wait, and its answer be used. Enforced for signed answers; a function has to see to it."""
    standing: Standing | None = None
    """Lets an approver approve this exact call more than once, for the rest of its session. For signed answers only."""
    outlives_policies: bool = False
    """Lets an approval be used after the policies have changed. Left out, a change of any policy means to ask again."""
