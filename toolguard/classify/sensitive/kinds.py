"""What is looked for: one entry each, with the pattern that finds it and perhaps a check that tells it from others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolguard.spans import Finder

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET, PERSONAL, OWN = "secret", "personal", "own"


@dataclass(frozen=True, slots=True)
class Kind:
    """Secrets or personal data of one kind.

    `certain` says that the form alone, or its check digits, tell it from everything else that is usual. `accept` gets what the
    pattern has matched and answers which part of it is meant, or None.
    """

    name: str
    category: str
    doc: str
    pattern: str
    accept: Callable[[str], tuple[int, int] | None] | None = None
    certain: bool = True

    @property
    def finder(self) -> Finder:
        """How it is found."""
        return Finder(self.name, self.pattern, self.accept)


def whole(test: Callable[[str], bool]) -> Callable[[str], tuple[int, int] | None]:
    """All of a match, where the test holds of it."""
    return lambda text: (0, len(text)) if test(text) else None
