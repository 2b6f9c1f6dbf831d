"""What has been found in a statement so far, and how two findings become one: the worse counts."""

from __future__ import annotations

from dataclasses import dataclass, field

READS_ONLY = frozenset(("read", "file_read", "delay"))  # a statement with these effects changes nothing


@dataclass(slots=True)
class Found:
    """One statement's, or one text's. `complete`: every table it touches is in the lists."""

    kinds: list[str] = field(default_factory=list)
    effects: set[str] = field(default_factory=set)
    tables_read: set[str] = field(default_factory=set)
    tables_written: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    effectful: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)
    bounds: set[str] = field(default_factory=set)
    fingerprint: str = ""
    destructive: bool = False
    complete: bool = True
    parsed: bool = True
    ambiguous: bool = False
    """Servers or their settings differ in how they read it; it has been looked at in each way."""
    unsure: bool = False
    """They differ, and not every way has been looked at."""

    def does(self, *effects: str, destroys: bool = False) -> None:
        """Note effects."""
        self.effects.update(effects)
        self.destructive |= destroys

    def unclear(self, reason: str) -> None:
        """It may be read in ways that have not been looked at: nothing is certain then."""
        self.reasons.add(reason)
        self.ambiguous = self.unsure = True

    def opaque(self, reason: str) -> None:
        """It could not be looked into."""
        self.reasons.add(reason)
        self.parsed = self.complete = False

    def add(self, other: Found, *, kinds: bool = True) -> None:
        """What else was found; with its kinds where it is a statement of its own."""
        if kinds:
            self.kinds += other.kinds
        for name in ("effects", "tables_read", "tables_written", "functions", "effectful", "unknown", "reasons", "bounds"):
            getattr(self, name).update(getattr(other, name))
        self.destructive |= other.destructive
        self.complete &= other.complete
        self.parsed &= other.parsed
        self.ambiguous |= other.ambiguous
        self.unsure |= other.unsure

    @property
    def known(self) -> bool:
        """Everything in it was understood, in every way that it may be read."""
        return self.parsed and not self.unsure

    @property
    def read_only(self) -> bool:
        """It changes nothing, for certain."""
        return (
            self.known
            and not self.ambiguous
            and not self.unknown
            and self.effects <= READS_ONLY
            and not self.tables_written
            and bool(self.kinds)
        )

    @property
    def safe_read(self) -> bool:
        """It reads rows and nothing else, for certain."""
        return self.read_only and self.effects <= {"read"} and not self.effectful
