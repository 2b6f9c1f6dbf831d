"""What every part of a policy is made of: the strict base model, names, and problems that know their place and their code."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=256)]

STRUCTURE = "structural-validation"  # the code of every problem that has none of its own


class Refused(ValueError):
    """A problem with a policy: its place `below` the part that was being validated, and the code `toolguard lint` gives it."""

    def __init__(self, message: str, below: tuple[str | int, ...] = (), code: str = STRUCTURE) -> None:
        super().__init__(message)
        self.below = below
        self.code = code


class Strict(BaseModel):
    """Base of every part of a policy: no unknown key, no silent conversion, no later change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
