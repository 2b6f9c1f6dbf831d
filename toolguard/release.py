"""Which toolguard this is."""

from __future__ import annotations


def version() -> str:
    """The version that was installed, `unknown` if nothing was."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - it loads the whole of `email`

    try:
        return version("toolguard-embedded")
    except PackageNotFoundError:
        return "unknown"
