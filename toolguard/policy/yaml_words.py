"""What the YAML parser complains about, in the words of somebody who writes a policy."""

from __future__ import annotations

from typing import Any

_QUOTES = "put a text that has any of `: [ ] { } , # & * ! | > % @` in it in quotes"
_WORDS = {
    "mapping values are not allowed in this context": f"a `:` is not expected here: {_QUOTES}, or look at the indentation",
    "did not find expected key": f"this does not go on as it began: look at the indentation, and {_QUOTES}",
    "did not find expected '-' indicator": f"the list does not go on here: look at the indentation, and {_QUOTES}",
    "did not find expected ',' or '}'": f"what began with `{{` does not go on here: {_QUOTES}, or close it",
    "did not find expected ',' or ']'": f"what began with `[` does not go on here: {_QUOTES}, or close it",
    "did not find expected node content": f"something is missing here: close what began with `[` or `{{`, or {_QUOTES}",
    "could not find expected ':'": "a `:` and a blank are missing behind a key, or a quote is missing",
    "found unexpected end of stream": "a quote was opened and not closed",
    "did not find expected <document start>": f"this does not go on as it began: look at the indentation, and {_QUOTES}",
}


def words_of(error: Any, text: str) -> str:
    """What is wrong, of a `yaml.MarkedYAMLError` about this text."""
    problem = str(error.problem or error.context)
    if problem == "found character that cannot start any token" and error.problem_mark:
        lines = text.splitlines()
        line, column = error.problem_mark.line, error.problem_mark.column
        character = lines[line][column : column + 1] if line < len(lines) else ""
        if character == "\t":
            return "a tab cannot indent anything: use blanks"
        return f"`{character}` cannot begin a text: put it in quotes"
    return _WORDS.get(problem, problem)
