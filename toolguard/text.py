"""Values as a person can read them safely, in one line."""

from __future__ import annotations

import json
from typing import Any


def shown(value: Any, limit: int = 200) -> str:
    """A value on one line for a person, as JSON, cut to `limit` characters."""
    text = printable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def printable(text: str) -> str:
    """The text with everything that a terminal would not show, or would obey, as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
