"""Patterns in a text that arrives in pieces: what is found, and what is let through, is as if it had been there at once."""

import random

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from toolguard.patterns import Places, compile_pattern
from toolguard.prefixes import beginnings
from toolguard.spans import Finder, HeldTooLong, HoldBack, Scanner

ATOMS = ("a", "b", "1", "-", " ", r"\d", r"\w", r"\s", "[ab]", "[^a]", ".", r"\D", "é", r"\x61", "(?i:A)", r"\Qa-\E", r"\pL")
TIMES = ("*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?", "??", "{0}")
EDGES = ("^", "$", r"\b", r"\B", r"\A", r"\z", "(?m:^)", "(?m:$)")
LETTERS = "ab1 -Aé\n"


def pattern_of(chance: random.Random, depth: int = 0) -> str:
    choice = chance.random()
    if depth > 3 or choice < 0.35:
        return chance.choice(ATOMS)
    if choice < 0.6:
        return "".join(pattern_of(chance, depth + 1) for _ in range(chance.randint(1, 4)))
    if choice < 0.72:
        return f"(?:{'|'.join(pattern_of(chance, depth + 1) for _ in range(chance.randint(1, 3)))})"
    if choice < 0.78:
        return f"({pattern_of(chance, depth + 1)})"
    if choice < 0.92:
        return f"(?:{pattern_of(chance, depth + 1)}){chance.choice(TIMES)}"
    return chance.choice(EDGES) if choice < 0.95 else f"(?i){pattern_of(chance, depth + 1)}"


def scanner_of(chance: random.Random) -> Scanner | None:
    """A few random patterns that RE2 accepts, together."""
    finders = []
    for number in range(chance.randint(1, 3)):
        pattern = pattern_of(chance)
        try:
            compile_pattern(pattern)
        except ValueError:
            continue  # such as a repetition of a repetition
        finders.append(Finder(str(number), pattern))
    return Scanner(finders) if finders else None


def found_at_once(scanner: Scanner, text: str) -> set[tuple[int, int, str]]:
    """What RE2 itself says, each pattern for itself, in bytes (its own places are wrong behind `\\B` in what is not ASCII)."""
    data = text.encode()
    return {
        (len(data[: match.start()].decode()), len(data[: match.end()].decode()), each.name)
        for each in scanner.finders
        for match in re2.compile(each.pattern.encode()).finditer(data)
        if match.end() > match.start()
    }


def in_pieces(chance: random.Random, text: str, longest: int = 5):
    while text:
        size = chance.randint(1, longest)
        yield text[:size]
        text = text[size:]


def differs(chance: random.Random, cases: int) -> None:
    done = 0
    while done < cases:
        scanner = scanner_of(chance)
        if scanner is None:
            continue
        for _ in range(5):
            text = "".join(chance.choice(LETTERS) for _ in range(chance.randint(0, 14)))
            expected = found_at_once(scanner, text)
            hold, regions = HoldBack(scanner), []
            for piece in in_pieces(chance, text):
                regions += hold.feed(piece)
                assert hold.released == sum(len(region.text) for region in regions)
            regions += hold.end()
            said = {(each.start + span.start, each.start + span.end, span.name) for each in regions for span in each.spans}
            patterns = [each.pattern for each in scanner.finders]
            assert said == expected, (patterns, text)
            assert "".join(each.text for each in regions) == text, (patterns, text)
            clean = [place for each in regions if not each.spans for place in range(each.start, each.start + len(each.text))]
            assert not any(start <= place < end for start, end, _ in expected for place in clean), (patterns, text)
            done += 1


def test_any_text_in_any_pieces_is_found_as_at_once():
    differs(random.Random(11), 20_000)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(8))
def test_any_text_in_any_pieces_is_found_as_at_once_for_long(seed):
    differs(random.Random(seed), 200_000)


@pytest.mark.parametrize(
    ("pattern", "text", "waits"),
    [
        (r"AKIA[0-9A-Z]{16}", "the key AK", "AK"),
        (r"AKIA[0-9A-Z]{16}", "the key AKx", ""),
        (r"\bsecret\b", "it is secret", "secret"),
        (r"\bsecret\b", "it is secrets", ""),
        (r"\bsecret\b", "nosecret", ""),
        (r"a{3}", "aa", "aa"),
        (r"(?i)drop\s+table", "DROP  ta", "DROP  ta"),
        (r"^x", "yx", ""),
        (r"x$", "yx", "x"),
        (r"colou?r", "the colo", "colo"),
        (r"é+!", "caféé", "éé"),
    ],
)
def test_just_that_waits_which_may_be_the_beginning_of_a_match(pattern, text, waits):
    hold = HoldBack(Scanner([Finder("x", pattern)]))
    seen = "".join(region.text for region in hold.feed(text))
    assert (seen, hold.held) == (text.removesuffix(waits), len(waits))


@given(st.text(max_size=40), st.lists(st.integers(1, 7), max_size=40))
def test_a_text_without_patterns_passes_piece_by_piece(text, sizes):
    hold = HoldBack(Scanner(()))
    for size in sizes:
        piece, text = text[:size], text[size:]
        assert "".join(region.text for region in hold.feed(piece)) == piece


def test_a_match_that_is_certain_is_not_waited_out():
    scanner = Scanner([Finder("key", "sk-[a-z]{4,}")])
    assert HoldBack(scanner).feed("x sk-abcdef")[-1].text == "x "
    assert [region.text for region in HoldBack(scanner, {"key"}).feed("x sk-abcdef")] == ["x ", "sk-abcdef"]


def test_a_match_that_does_not_end_is_not_waited_for_without_end():
    hold = HoldBack(Scanner([Finder("key", "<[a-z ]*>")]), most=100)
    hold.feed("<" + "a" * 99)
    with pytest.raises(HeldTooLong):
        hold.feed("a")


def test_what_is_not_understood_holds_everything_back_until_the_end():
    finder = Finder("byte", r"a\Cb")
    assert finder.begun is None
    hold = HoldBack(Scanner([finder]))
    assert hold.feed("a harmless text") == []
    assert [region.text for region in hold.end()] == ["a harmless text"]


def test_what_is_too_large_as_beginnings_waits_in_a_window(monkeypatch):
    """The fallback has to find the same as the exact way; it only holds more."""
    for seed in range(300):
        chance = random.Random(seed)
        scanner = scanner_of(chance)
        if scanner is None or any(each.begun is None or each.begun.width is None for each in scanner.finders):
            continue
        text = "".join(chance.choice(LETTERS) for _ in range(30))
        expected = found_at_once(scanner, text)
        blind = Scanner([Blind(each.name, each.pattern) for each in scanner.finders])
        hold = HoldBack(blind)
        regions = [region for piece in in_pieces(chance, text) for region in hold.feed(piece)] + hold.end()
        said = {(each.start + span.start, each.start + span.end, span.name) for each in regions for span in each.spans}
        assert said == expected, ([each.pattern for each in scanner.finders], text)


class Blind(Finder):
    """A finder of whose pattern only the width is known."""

    @property
    def begun(self):
        known = beginnings(self.pattern)
        return type(known)("", known.looks_on, known.least, known.width)


@pytest.mark.parametrize("text", ["\ud800secret", "x\udfff secret\ud800", "secret\udc80"])
def test_a_lone_surrogate_hides_nothing(text):
    (region,) = [each for each in Scanner([Finder("x", "secret")]).regions(text) if each.spans]
    assert (region.text, region.start) == ("secret", text.index("secret"))


def test_places_are_characters_also_behind_an_empty_match_inside_of_one():
    assert list(Places(r"(?:\B|b)").all("ééb", 0)) == [(2, 3)]
