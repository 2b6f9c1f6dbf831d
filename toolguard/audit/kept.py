"""Policies as they are kept beside the records: under their revision, which is the digest of what they say."""

from __future__ import annotations

import json

from toolguard.canonical import digest, encode
from toolguard.errors import MalformedCall

_NAME = "policies "


def name_of(revision: str) -> str:
    """The name under which policies are kept."""
    return _NAME + revision


def revision_of(name: str) -> str | None:
    """The revision whose policies are kept under a name; None for the name of something else."""
    return name.removeprefix(_NAME) if name.startswith(_NAME) else None


def is_revision(revision: str, body: bytes) -> bool:
    """Whether this is the digest of these policies."""
    try:
        return digest(encode(json.loads(body))).hex() == revision
    except (ValueError, RecursionError, MalformedCall):
        return False
