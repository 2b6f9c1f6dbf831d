"""The reference's node for language models as it is written; `nodes.py` has the others."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from toolguard.classify.semantic import labels_of
from toolguard.policy.bindings import subject
from toolguard.policy.strict import Name, Refused, Strict


def _label(text: str) -> str:
    if not text.strip():
        raise ValueError("a label cannot be blank")
    labels_of("_".join(text.split()))
    if set(text) & set(",\n\r\t"):
        raise ValueError(f"`{text}` has a comma, a tab or a line end in it")
    return text


def _endpoint(text: str) -> str:
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError(f"`{text}` has to begin with `http://` or `https://`")
    return text


class LlmNode(Strict):
    """Where the text is that a language model is asked about, and what it must not be."""

    prompt_field: Name = "parameters.prompt"
    """The field with the text."""
    image_url_field: Name | None = None
    """A field with the address of an image. Images are not looked at: a call that names one breaks the node."""
    forbidden: Annotated[tuple[Annotated[Name, AfterValidator(_label)], ...], Field(strict=False, min_length=1, max_length=64)]
    """The labels that the text must not get."""
    model: Name | None = None
    """Which model is asked; left out, the guard's."""
    ollama_url: Annotated[Name, AfterValidator(_endpoint)] | None = None
    """Where it is served; left out, where the guard says."""
    timeout_seconds: Annotated[int, Field(ge=0, le=120)] = 30
    """How long an answer may take; 0 for 30."""

    @model_validator(mode="after")
    def _fields_are_fields(self) -> Self:
        for key in ("prompt_field", "image_url_field"):
            if getattr(self, key) is not None:
                subject(getattr(self, key), key)
        folded = [label.casefold() for label in self.forbidden]
        if twice := next((label for label in self.forbidden if folded.count(label.casefold()) > 1), None):
            raise Refused(f"the label `{twice}` is there twice", ("forbidden",))
        return self


class LlmClassify(Strict):
    """Holds when a language model does not clearly call the text safe."""

    llm_classify: LlmNode
    """The reference's node; `facts: {meaning: {semantic: parameters.prompt, labels: weapons csam}}` says the same."""
