"""What a text means, as a language model sees it: the only facts that may leave the process, and the last that are asked.

They are the words of a model, which texts can talk to. So only a clear answer is one: `safe`, or one of the labels that the
policy names, with enough confidence. Everything else is not known, and a rule that restricts fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from toolguard.classify.base import Classifier, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAFE = "safe"
MAX_LENGTH = 32_000  # characters of a text that is asked about
MAX_LABELS, MAX_SECONDS = 64, 120
LEAST, SECONDS = 0.6, 30.0  # confidence, and how long an answer may take, where a policy does not say


@dataclass(frozen=True, slots=True)
class Question:
    """A text, and the labels that it may get besides `safe`. `model`, `endpoint` and `seconds` are as the policy wants them."""

    text: str
    labels: tuple[str, ...]
    model: str | None = None
    endpoint: str | None = None
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said: a label and how sure it is (0 to 1); or why there is no answer."""

    label: str = ""
    confidence: float = 0.0
    failed: str = ""


class SemanticClassifier(Protocol):
    """Whatever answers such questions."""

    def classify(self, question: Question) -> Answer:
        """The answer. Whatever it raises is none."""


@dataclass(frozen=True, slots=True)
class SemanticFacts:
    """What a language model says of a text."""

    label: str | None = None
    """The label it gives: `safe`, or one of those that the policy names."""
    safe: bool | None = None
    """The label is `safe`."""
    confidence: float | None = None
    """How sure it says it is, from 0 to 1."""
    why_unknown: str = ""


def classify(
    text: str,
    *,
    labels: str = "",
    model: str | None = None,
    endpoint: str | None = None,
    timeout: str | None = None,
    confidence: str | None = None,
    ask: Callable[[Question], Answer | None] | None = None,
) -> SemanticFacts:
    """The facts of one text; `ask` is whoever answers, None while nobody is to be asked."""
    if ask is None:
        return SemanticFacts(why_unknown="is put to a model only where nothing else denies the call")
    if len(text) > MAX_LENGTH:
        return SemanticFacts(why_unknown=f"has more than {MAX_LENGTH} characters to ask a model about")
    try:
        question = Question(text, labels_of(labels), model, endpoint, seconds_of(timeout))
        least = share_of(confidence)
    except ValueError as wrong:
        return SemanticFacts(why_unknown=str(wrong))
    answer = ask(question)
    if answer is None:
        return SemanticFacts(why_unknown="was not put to a model")
    if answer.failed:
        return SemanticFacts(why_unknown=f"is not understood: {answer.failed}")
    if answer.label not in (SAFE, *question.labels):
        return SemanticFacts(why_unknown="is not understood: the model gave a label that is none of those it was given")
    if not least <= answer.confidence <= 1:
        return SemanticFacts(why_unknown=f"is not understood: the model is not sure ({answer.confidence:.2f})")
    return SemanticFacts(answer.label, answer.label == SAFE, answer.confidence)


def labels_of(text: str) -> tuple[str, ...]:
    """Labels, parted by blanks.

    Raises:
        ValueError: there are none, too many, the same twice, or one that is reserved.
    """
    labels = tuple(text.split())
    if not 0 < len(labels) <= MAX_LABELS:
        raise ValueError(f"there have to be 1 to {MAX_LABELS} labels")
    folded = [label.casefold() for label in labels]
    if len(set(folded)) < len(labels):
        raise ValueError("a label is there twice")
    if reserved := next((label for label in labels if label.casefold() in (SAFE, "model_refused")), None):
        raise ValueError(f"the label `{reserved}` is reserved")
    if wrong := next((label for label in labels if set(label) & set(",\"'`\\")), None):
        raise ValueError(f"the label `{wrong}` has a comma or a quote in it")
    return labels


def seconds_of(text: str | None) -> float:
    """A timeout in seconds; raises ValueError where it is none."""
    seconds = SECONDS if text is None else float(text)
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"`timeout` has to be a number of seconds, up to {MAX_SECONDS}")
    return seconds


def share_of(text: str | None) -> float:
    """A confidence from 0 to 1; raises ValueError where it is none."""
    share = LEAST if text is None else float(text)
    if not 0 < share <= 1:
        raise ValueError("`confidence` has to be a number from 0 to 1")
    return share


def in_words(facts: SemanticFacts) -> Iterator[str]:
    """What a person who decides should know."""
    if facts.label is not None and not facts.safe:
        yield f"means {facts.label}, says a model"


CLASSIFIER = Classifier(
    name="semantic",
    doc="What a text means, as a language model sees it. It is asked last, and only if nothing else denies.",
    facts=SemanticFacts,
    classify=classify,
    settings=(
        Setting("labels", "the labels that a text may get besides `safe`, parted by blanks"),
        Setting("model", "which model to ask", optional=True),
        Setting("endpoint", "where it is served, such as `http://localhost:11434`", optional=True),
        Setting("timeout", "how many seconds an answer may take: `30`", optional=True),
        Setting("confidence", "how sure an answer has to be, from 0 to 1: `0.6`", optional=True),
    ),
    in_words=in_words,
    asks=True,
)
