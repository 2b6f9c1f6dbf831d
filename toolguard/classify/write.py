"""Which files a tool names, and what it is about to write to them: the facts behind `{write: parameters}`.

Tools name their files and texts in many ways. Every one of these names counts, wherever it stands: a call with two of them
reaches both, as far as a rule is concerned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.classify import path
from toolguard.classify.base import Classifier, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

# Names of parameters, without the signs between their words.
TARGETS = (
    "filepath", "filepaths", "path", "paths", "file", "files", "filename", "filenames", "dest", "dst", "destination",
    "destinationpath", "savepath", "target", "targetfile", "targetpath", "output", "outpath", "outputpath", "outputfile",
    "notebookpath", "oldpath", "newpath", "absolutepath", "relativepath", "source", "sourcepath", "src", "folder", "folderpath",
    "dir", "dirpath", "directory", "directorypath", "root", "rootdir", "relativeworkspacepath",
)  # fmt: skip
CONTENTS = (
    "content", "contents", "newstring", "newstr", "newsource", "newtext", "text", "body", "data", "patch", "diff", "input",
    "patchtext", "inserttext", "filetext", "filecontent",
)  # fmt: skip
PATCHES = ("patch", "diff", "input", "patchtext")  # texts that name files in their headers
PARTS = ("edits", "files", "changes", "operations")  # lists of single writes
MAX_TARGETS = 300  # files of one call
_PATCHED = re.compile(
    r"^(?:(?:---|\+\+\+|Index:) ([^\t\n]+)|diff --git (\S+) (\S+)|(?:rename|copy) (?:from|to) ([^\n]+)|"
    r"\*\*\* (?:Add File|Update File|Delete File|Move to): ([^\n]+)|\*\*\* (?!\d|(?:Begin|End) )([^\t\n:]+))",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class WriteFacts:
    """What is known of the files of a call. None: not known, and `why_unknown` says why."""

    count: int | None = None
    """How many files are named; 0 where none is."""
    ambiguous: bool | None = None
    """Programs would disagree about what one of them is, or it is no text."""
    targets: tuple[str, ...] | None = None
    """The files, from the root, `.` and `..` carried out by the text alone; null where one of them is not known."""
    resolved: tuple[str, ...] | None = None
    """The same through every link."""
    inside: bool | None = None
    """All of them are in the workspace, by their text and through every link."""
    places: tuple[str, ...] | None = None
    """Where each of them is, through every link: `workspace`, `tmp`, `home`, `system`, `device`, `null` or `outside`."""
    sensitive: bool | None = None
    """Keys, passwords, tokens or other secrets live in one of them."""
    obeyed: bool | None = None
    """One of them is run or obeyed later by somebody else."""
    contents: tuple[str, ...] | None = None
    """The texts that are written; null where none is given, or one is no text."""
    bytes: int | None = None
    """How long they are together, in UTF-8."""
    why_unknown: str = ""


def classify(
    given: dict[str, Any],
    workspace: Any = None,
    cwd: Any = None,
    home: Any = None,
    *,
    path_name: Any = None,
    content_name: Any = None,
) -> WriteFacts:
    """The facts of the parameters of one call; `path_name` and `content_name` are further names of parameters."""
    writes, whole = _writes(given)
    named, clear = _named(writes, (path_name, *TARGETS))
    texts, readable = _named(writes, (content_name, *CONTENTS))
    patches, _ = _named(writes, PATCHES)
    clear = clear and whole
    targets = dict.fromkeys((*named, *(each for text in patches for each in files_of_patch(text))))
    if len(targets) > MAX_TARGETS:
        return WriteFacts(ambiguous=True, why_unknown=f"names more than {MAX_TARGETS} files")
    facts = [path.classify(each, workspace, cwd, home) for each in targets]
    lexical, resolved = [each.lexical for each in facts], [each.resolved for each in facts]
    read = bool(texts) and readable and whole
    return WriteFacts(
        count=len(targets) if clear else None,
        ambiguous=not clear or any(each.ambiguous for each in facts),
        targets=_all(lexical) if clear else None,
        resolved=_all(resolved) if clear else None,
        inside=_every([each.inside for each in facts]) if clear and facts else None,
        places=_all([each.place for each in facts]) if clear else None,
        sensitive=_some([each.sensitive for each in facts], clear=clear),
        obeyed=_some([each.obeyed for each in facts], clear=clear),
        contents=tuple(texts) if read else None,
        bytes=sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) if read else None,
        why_unknown=next(
            (each.why_unknown for each in facts if each.why_unknown), "" if clear else "names files by what is no text"
        ),
    )


def _named(writes: list[dict[str, Any]], names: tuple[str | None, ...]) -> tuple[list[str], bool]:
    """The texts under these names; and whether everything under them is text."""
    wanted = {_plain(name) for name in names if name}
    found: dict[str, None] = {}
    clear = True
    for one in writes:
        for name, given in one.items():
            if _plain(name) not in wanted:
                continue
            for value in _list(given):
                if type(value) is str:
                    found[value] = None
                elif not (_plain(name) in PARTS and type(value) is dict):
                    clear = False
    return list(found), clear


def _writes(given: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """The parameters and all single writes in them; and whether all of these can be read."""
    found, clear = [given], True
    for one in found:  # grows as it is walked
        for name, several in one.items():
            for each in _list(several) if _plain(name) in PARTS else ():
                if type(each) is dict:
                    found.append(each)
                elif not (_plain(name) in TARGETS and type(each) is str):
                    clear = False
    return found, clear


def _plain(name: str) -> str:
    """`filePath` and `file-path` are `file_path`, all without their signs."""
    return name.lower().replace("_", "").replace("-", "")


def _list(value: Any) -> list[Any]:
    return value if type(value) is list else [] if value is None else [value]


def files_of_patch(text: str) -> Iterator[str]:
    """Every file that its headers name, with its first folder and without it: programs that apply a patch differ in that."""
    for found in _PATCHED.finditer(text):
        for name in found.groups():
            if name and name.strip() != "/dev/null":
                yield name.strip()
                if behind := name.strip().partition("/")[2]:
                    yield behind


def _all(values: list[str | None]) -> tuple[str, ...] | None:
    known = tuple(each for each in values if each is not None)
    return known if len(known) == len(values) else None


def _every(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _some(values: list[bool | None], *, clear: bool) -> bool | None:
    return True if True in values else None if None in values or not clear else False


CLASSIFIER = Classifier(
    "write",
    "Which files a tool names, and what it is about to write to them.",
    WriteFacts,
    classify,
    (
        Setting(
            "workspace", "The folder that the agent may work in: an absolute path, or the field that holds it.", optional=True
        ),
        Setting(
            "cwd", "The folder in which relative paths begin, likewise; the workspace where it is left out.", optional=True
        ),
        Setting("home", "The user's home folder, likewise.", optional=True),
        Setting("path_name", "A further name of a parameter with a path.", optional=True),
        Setting("content_name", "A further name of a parameter with a text that is written.", optional=True),
    ),
    takes=dict,
)
