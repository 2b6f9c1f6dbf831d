"""What a stream costs that is held back exactly: against a fixed window, and against the partial matching of `regex`."""

import random
import re

import regex

from bench.measure import US, agree, compute, row
from toolguard import Guard
from toolguard.classify.sensitive.classifier import KINDS, classify, scanner_of
from toolguard.spans import Finder, HoldBack, Scanner

PIECE = 5  # characters, some four tokens of which make twenty
WORDS = (
    "the agent said that order 12345 was shipped to 42 Main Street on 2024-05-17 and costs 19.99 dollars with ref A-77-B"
    " please wait while we process your request thank you"
).split()
FORMS = (
    r"AKIA[0-9A-Z]{16}",
    r"sk-[A-Za-z0-9]{20,64}",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----",
    r"(?i:ignore (?:all )?previous instructions)",
    r"\b(?:\d{4}[ -]?){3}\d{4}\b",
    r"ghp_[A-Za-z0-9]{36}",
    r"xox[baprs]-[A-Za-z0-9-]{10,48}",
    r"(?i:drop\s{1,8}table)",
    r"[A-Za-z0-9._%+-]{1,64}@corp\.example",
)
KEY = "AKIAIOSFODNN7EXAMPLE"


def text_of(length):
    chance, words = random.Random(7), []
    while sum(map(len, words)) + len(words) < length:
        words.append(chance.choice(WORDS))
    return " ".join(words)[:length]


CLEAN = text_of(1024)
HOSTILE = {
    "digits": "1 " * 512,
    "one letter": "a" * 1024,
    "beginnings of keys": "AKIA-" * 205,
    "base64": "QUtJQUlPU0ZPRE5ON0VYQU1QTEU" * 38,
}


def patterns(count):
    """The ten, and more of their kind."""
    return [*FORMS, *(rf"\bproject-{number:03}-[a-z]{{4,12}}\b" for number in range(count - len(FORMS)))]


def pieces(text):
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def exact(scanner, parts):
    """(What was let through before the first match, characters held on average)."""
    hold, out, held = HoldBack(scanner), [], 0
    for part in parts:
        for region in hold.feed(part):
            if region.spans:
                return "".join(out), held / len(parts)
            out.append(region.text)
        held += hold.held
    for region in hold.end():
        if region.spans:
            break
        out.append(region.text)
    return "".join(out), held / len(parts)


def window(compiled, width, parts):
    """The last `width` characters are held, whatever they are."""
    text, out, held = "", [], 0
    for part in parts:
        text += part
        if compiled.search(text):
            return "".join(out), held / len(parts)
        out.append(text[:-width])
        text = text[-width:]
        held += len(text)
    return "".join(out) + text, held / len(parts)


def partial(compiled, parts):
    """The partial matching of `regex`; a match that touches the end waits."""
    text, out, held = "", [], 0
    for part in parts:
        text += part
        found = compiled.search(text, partial=True)
        if found is not None and not found.partial and found.end() < len(text):
            return "".join(out), held / len(parts)
        place = len(text) if found is None else found.start()
        out.append(text[:place])
        text = text[place:]
        held += len(text)
    return "".join(out) + ("" if compiled.search(text) else text), held / len(parts)


def rows(pace):
    for count in (10, 100, 500):
        forms = patterns(count)
        scanner = Scanner([Finder(str(number), form) for number, form in enumerate(forms)])
        union = "|".join(f"(?:{form})" for form in forms)
        plain, fuzzy, width = re.compile(union), regex.compile(union), 70
        clean, leaking = pieces(CLEAN), pieces(f"{CLEAN[:500]} {KEY} {CLEAN[500:]}")
        before = f"{CLEAN[:500]} "
        found = [side(leaking)[0] for side in (_exact(scanner), _partial(fuzzy))]
        checks = [
            agree(f"{count} patterns, let through before a key", len(before), *map(len, found)),
            agree(f"{count} patterns, let through of a harmless text", len(CLEAN), len(exact(scanner, clean)[0])),
        ]
        held = f"held {exact(scanner, clean)[1]:.1f}, window {window(plain, width, clean)[1]:.0f}"
        note = f"1 KB in pieces of {PIECE}; {held}, regex {partial(fuzzy, clean)[1]:.1f} characters"
        ours = lambda scanner=scanner, clean=clean: exact(scanner, clean)  # noqa: E731
        fixed = lambda plain=plain, clean=clean, width=width: window(plain, width, clean)  # noqa: E731
        theirs = lambda fuzzy=fuzzy, clean=clean: partial(fuzzy, clean)  # noqa: E731
        yield row(f"stream, {count} patterns / a window of 70", compute(pace, ours, fixed), checks, note=note)
        yield row(f"stream, {count} patterns / regex partial", compute(pace, ours, theirs), checks, note=note)
    yield worst(pace)
    yield sensitive(pace)
    yield guarded_stream(pace)


def _exact(scanner):
    return lambda parts: exact(scanner, parts)


def _partial(compiled):
    return lambda parts: partial(compiled, parts)


def worst(pace):
    """The hostile text that takes longest, against the harmless one of its length."""
    scanner = Scanner([Finder(str(number), form) for number, form in enumerate(FORMS)])
    parts = {name: pieces(text[:1024]) for name, text in HOSTILE.items()}
    slowest = {name: compute(pace, lambda each=each: exact(scanner, each))[0][0] for name, each in parts.items()}
    name = max(slowest, key=slowest.get)
    figures = compute(pace, lambda: exact(scanner, parts[name]), lambda: exact(scanner, pieces(CLEAN)))
    checks = [
        agree(f"{len(HOSTILE)} hostile texts, found in", 0, sum(bool(scanner.regions(each)) for each in HOSTILE.values()))
    ]
    return row("stream, the worst text / a harmless one", figures, checks, note=f"{name}, 1 KB")


def sensitive(pace):
    """All kinds of secrets and personal data in a text that was not seen before, against one look for their union by RE2."""
    counted = iter(range(10**9))
    scanner = scanner_of(tuple(KINDS.values()))
    checks = [agree("kinds found", ("aws-key", "email"), classify(f"{CLEAN} {KEY} jane@example.com").kinds)]
    figures = compute(
        pace,
        lambda: classify(f"{CLEAN} x{next(counted)}"),
        lambda: scanner._among._any.first(f"{CLEAN} x{next(counted)}", 0),  # noqa: SLF001
    )
    return row("sensitive facts of 1 KB / one look for the union", figures, checks, note=f"{len(KINDS)} kinds")


def guarded_stream(pace):
    """A whole guarded stream with its records, against joining the pieces."""
    policy = """
policy_id: p
facts: {secret: {sensitive: result, kinds: secrets certain}}
rules:
  - {rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}
  - {rule_id: none, phase: result, conditions: {field: secret.found, operator: eq, value: true}, effect: deny}
"""
    parts = pieces(CLEAN)
    with Guard(policy, ledger=":memory:") as guard:
        checks = [agree("a harmless text comes out whole", True, "".join(guard.stream(parts)) == CLEAN)]  # noqa: FBT003
        figures = compute(pace, lambda: "".join(guard.stream(parts)), lambda: "".join(parts))
    per = [ours / len(parts) * US for ours, _ in figures]
    return row(
        "guard.stream of 1 KB / joining it", figures, checks, note=f"{sorted(per)[len(per) // 2]:.1f} us a piece of {PIECE}"
    )
