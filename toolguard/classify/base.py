"""What a classifier is: a pure function from a text to a frozen dataclass of facts, and the settings a policy may give it.

To add one: a file beside this one that ends in a `Classifier`, its line in `registry.py`, and its case file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Setting:
    """Something a classifier has to know beside the text.

    `of_the_call`: it may be read from the parameters; every other setting is the policy's or the host program's to say.
    `optional`: where its field is missing, the classifier is told None, and assumes the worst.
    """

    name: str
    doc: str
    of_the_call: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Classifier:
    """`name` is its key in `facts:`. `classify(text, **settings)` returns `facts`, a frozen dataclass.

    A fact that is not known is None, and a condition on it is indeterminate; `why_unknown` says what is wrong with the
    text, if it is the text that is to blame. `classify` never raises for a text, however hostile; results are cached, so
    that many conditions cost one look. `in_words` says what of the facts a person who decides should know. `takes` is what it
    looks at: a text, a `list`, a `dict`, which may be all parameters, or any `object`. One that `asks` is given `ask`, which
    may leave the process, and comes after all others.
    """

    name: str
    doc: str
    facts: type
    classify: Callable[..., Any]
    settings: tuple[Setting, ...] = ()
    in_words: Callable[[Any], Iterable[str]] = lambda _: ()
    takes: type = str
    asks: bool = False

    @property
    def fact_names(self) -> tuple[str, ...]:
        """The names a condition can use."""
        return tuple(field.name for field in fields(self.facts) if field.name != "why_unknown")
