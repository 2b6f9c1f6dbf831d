"""What a program puts out, as far as that can be told: what `echo ... | base64 -d | sh` runs is in the text."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from typing import TYPE_CHECKING, Any

from toolguard.classify import places
from toolguard.classify.shell.reader import Feed
from toolguard.classify.shell.words import Word, ansi_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.classify.shell.programs import Arguments
    from toolguard.classify.shell.reader import Invocation

DECODERS = (
    "base64",
    "base32",
    "xxd",
    "openssl",
    "gunzip",
    "zcat",
    "uudecode",
    "rev",
    "tr",
    "gzip",
    "bzip2",
    "xz",
    "zstd",
    "gpg",
    "od",
)


def output_of(name: str, spec: dict[str, Any], arguments: Arguments, invocation: Invocation) -> Feed:
    """What it puts out: the text where it is known, and where it comes from."""
    words, feed = invocation.words[1:], invocation.feed
    if name == "echo":
        return _echo(words)
    if name == "printf":
        return _printf(words)
    if name == "pwd":
        return Feed(invocation.scope.cwd)
    if spec.get("puts_out"):
        return Feed(None, spec["puts_out"])
    if spec.get("network"):
        return Feed(None, "network")
    if name in ("env", "printenv", "set", "export") and not arguments.operands:
        return Feed(None, "environment", sensitive=True)
    secret = any(_is_secret(word, invocation) for word in arguments.operands)
    if secret and spec.get("operands") in ("read", "sed", "awk", "dd", "tar"):
        return Feed(None, "sensitive", sensitive=True)
    before = feed or Feed(None, "")
    if name == "cat" and arguments.operands in ([], [Word("-")]):
        return before
    if before.text is not None and name in _CHANGES and not _has_files(name, arguments):
        return Feed(_CHANGES[name](before.text, arguments), "decoded")
    if spec.get("operands") == "read" and arguments.operands:
        return Feed(None, "file", sensitive=before.sensitive)
    origin = "decoded" if name in DECODERS else before.origin
    return Feed(None, "network" if before.origin == "network" else origin, sensitive=before.sensitive)


def _is_secret(word: Word, invocation: Invocation) -> bool:
    path = invocation.scope.absolute(word.text) if word.text else None
    return places.secret_kind(path or word.text) is not None if word.text else False


def _has_files(name: str, arguments: Arguments) -> bool:
    return bool(arguments.operands) and name != "tr"


def _echo(words: list[Word]) -> Feed:
    texts, escapes, newline = [], False, "\n"
    rest = list(words)
    while rest and re.fullmatch(r"-[neE]+", rest[0].text):
        escapes |= "e" in rest[0].text
        newline = "" if "n" in rest[0].text else newline
        rest.pop(0)
    if any(not word.known for word in rest):
        origin = next((word.origin for word in rest if word.origin), "")
        return Feed(None, origin, sensitive=origin == "sensitive")
    texts = [word.text for word in rest]
    text = " ".join(texts)
    return Feed((ansi_text(text) if escapes else text) + newline)


def _printf(words: list[Word]) -> Feed:
    rest = [word for word in words if word.text != "--"]
    if not rest or any(not word.known for word in rest):
        return Feed(None, next((word.origin for word in rest if word.origin), ""))
    form, given, made = ansi_text(rest[0].text), [word.text for word in rest[1:]], ""
    holes = re.findall(r"%[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]", form)
    if any(hole[-1] not in "sbdiuxXc" for hole in holes):
        return Feed(None)
    while True:
        made += re.sub(
            r"%[-+ #0]*\d*(?:\.\d+)?([a-zA-Z])|%%", lambda each: "%" if each[1] is None else _next(given, each[1]), form
        )
        if not given or not holes:
            return Feed(made)


def _next(given: list[str], kind: str) -> str:
    text = given.pop(0) if given else ""
    return ansi_text(text) if kind == "b" else text


def _base64(text: str, arguments: Arguments) -> str | None:
    if not arguments.has("-d", "-D", "--decode", "-di"):
        return base64.b64encode(text.encode()).decode() + "\n"
    return _decoded(lambda: base64.b64decode("".join(text.split()) + "=="))


def _base32(text: str, arguments: Arguments) -> str | None:
    return _decoded(lambda: base64.b32decode("".join(text.split()))) if arguments.has("-d", "--decode") else None


def _xxd(text: str, arguments: Arguments) -> str | None:
    reverse = arguments.has("-r") or any("r" in name for name, _ in arguments.options)
    return _decoded(lambda: bytes.fromhex("".join(re.findall(r"[0-9A-Fa-f]{2}", text)))) if reverse else None


def _rev(text: str, _: Arguments) -> str | None:
    return "\n".join(line[::-1] for line in text.split("\n"))


def _tr(text: str, arguments: Arguments) -> str | None:
    words = [word.text for word in arguments.operands]
    if arguments.has("-d", "--delete") and len(words) == 1:
        return "".join(sign for sign in text if sign not in _set(words[0]))
    if len(words) != 2 or arguments.options:  # noqa: PLR2004
        return None
    first, second = _set(words[0]), _set(words[1])
    second += second[-1:] * (len(first) - len(second))
    return text.translate({ord(one): other for one, other in zip(first, second, strict=False)})


def _set(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        return "".join(map(chr, range(ord(found[1]), ord(found[2]) + 1))) if ord(found[1]) <= ord(found[2]) else ""

    return re.sub(r"(.)-(.)", one, ansi_text(text), flags=re.DOTALL)


def _same(text: str, _: Arguments) -> str | None:
    return text


def _lines(text: str, _: Arguments) -> str | None:
    return text if text.count("\n") <= 1 else None


def _rot13(text: str, _: Arguments) -> str | None:
    return codecs.encode(text, "rot13")


def _decoded(decode: Callable[[], bytes]) -> str | None:
    try:
        return decode().decode("utf-8")
    except (ValueError, binascii.Error):
        return None


_CHANGES: dict[str, Callable[[str, Arguments], str | None]] = {
    "base64": _base64,
    "base32": _base32,
    "xxd": _xxd,
    "rev": _rev,
    "tr": _tr,
    "tee": _same,
    "head": _lines,
    "tail": _lines,
    "sort": _lines,
    "gzip": _same,  # packed here and unpacked by the next: the text is the same in the end
    "gunzip": _same,
    "zcat": _same,
    "rot13": _rot13,
}
