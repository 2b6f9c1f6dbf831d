"""What a rule has removed before a call or its result goes on: an obligation, as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from toolguard.policy.fields import RESULT, parse_field
from toolguard.policy.strict import Name, Refused, Strict

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL, RECORD = "call", "record"


class Redaction(Strict):
    """One thing that is removed. What cannot be removed is not let through."""

    facts: Name | None = None
    """What these facts have found: `facts:` of the classifier `sensitive`;"""
    field: Name | None = None
    """or the whole value of this field, whatever it is."""
    how: Literal["mask", "hash", "drop", "last4"] = "mask"
    """`mask` puts a word in its place, `hash` a digest with the guard's `redaction_key` (the same for the same value), `last4`
    leaves the last four characters of a long one, `drop` nothing."""
    in_: Annotated[Literal["call", "record"], Field(alias="in")] = "call"
    """`record`: only the ledger does not get to see it; the tool does."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if (self.facts is None) == (self.field is None):
            raise Refused("say what is removed: one of `facts` and `field`")
        if self.field is not None:
            found = parse_field(self.field, {})
            if found.root not in ("parameters", RESULT) or (found.root == "parameters" and not found.steps):
                raise Refused(f"`{self.field}` cannot be removed: name a parameter, `result`, or something in them", ("field",))
        return self

    def looks_at(self, facts: Mapping[str, Mapping[str, Any]]) -> str:
        """The field in which it removes something, given the policy's `facts:`.

        Raises:
            Refused: there are no such facts, or they are not `sensitive`.
        """
        if self.field is not None:
            return self.field
        given = facts.get(str(self.facts))
        if given is None or "sensitive" not in given:
            why = "there are none of that name" if given is None else "they do not say where something is"
            raise Refused(
                f"`facts: {self.facts}` cannot be removed: {why}; name facts of the classifier `sensitive`", ("facts",)
            )
        return str(given["sensitive"])
