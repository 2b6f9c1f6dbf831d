"""From YAML (a file, a folder, text, a pack) or objects to policies; all of them or none, with every problem's place.

Scalars follow YAML 1.2's core schema (`NO`, `on` and dates are text). The reader goes through the parser's events once, so
that depth, size, aliases and documents are bounded before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from toolguard.errors import PolicyError, Problem, nearest
from toolguard.policy.document import MAX_DEPTH, Policy, validated
from toolguard.policy.messages import message_of
from toolguard.policy.rewrite import without_nodes
from toolguard.policy.strict import STRUCTURE
from toolguard.policy.yaml_words import words_of

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000
MAX_YAML_DEPTH = 200
BELONGING = {  # a pack, and those that it is not whole without
    "coding-agent": ("filesystem", "egress"),
    "data-protection": ("data-sending", "model-content"),
}

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALARS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]{1,4000}"), int),
    (re.compile(r"0o[0-7]{1,64}"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,64}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.lower().replace(".", ""))),
)
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
_MANY_LINES = "; policy text given as a string has to have more than one line"
_CORE_TAGS = ("tag:yaml.org,2002:str", "!")

Path_ = tuple[str | int, ...]
Place = tuple[int | None, int | None]


@dataclass(slots=True)
class Document:
    """One YAML document as plain data, with the place of every key and item; `text` is empty for objects."""

    source: str
    data: Any = None
    places: dict[Path_, Place] = field(default_factory=dict)
    text: str = ""
    _line_begins: list[int] = field(default_factory=list, repr=False)

    def problem(self, message: str, path: Path_ = (), code: str = STRUCTURE) -> Problem:
        """A problem at the place of `path`, or of the nearest part of the document around it."""
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (None, None))
        return Problem(message, self.source, line, column, code)

    def offset(self, path: Path_) -> int | None:
        """Where in the text the key or the item at `path` begins; None if that is not known."""
        line, column = self.places.get(path, (None, None))
        if line is None or column is None:
            return None
        begins = self._line_begins
        if not begins:
            begins += [0, *(found.end() for found in _LINE_BREAK.finditer(self.text))]
        return begins[line - 1] + column - 1 if line <= len(begins) else None


def load_policies(source: Any) -> tuple[Policy, ...]:
    """Policies from a path, a folder of `*.yaml` and `*.yml`, YAML text (it has a line break), objects, or a list of these.

    Raises:
        PolicyError: one or more were refused; nothing is loaded.
    """
    problems: list[Problem] = []
    policies = [policy for _, policy in documents_of(source, problems)]
    if problems:
        raise PolicyError(sorted(problems, key=lambda p: (p.source, p.line or 0, p.column or 0)))
    return tuple(map(without_nodes, policies))


def documents_of(source: Any, problems: list[Problem]) -> list[tuple[Document, Policy]]:
    """Every policy of the source that is valid, as written, with its document; what is wrong is added to `problems`."""
    loaded: list[tuple[Document, Policy]] = []
    first: dict[str, Document] = {}
    limits: dict[str, Document] = {}
    for given in _documents(source, problems):
        document = Document("policy object") if isinstance(given, Policy) else given
        policy = given if isinstance(given, Policy) else _validate(document, problems)
        if policy is None:
            continue
        loaded.append((document, policy))
        for index, limit in enumerate(policy.limits):
            if limit.limit_id in limits:
                message = f"limit_id `{limit.limit_id}` is used twice; the other is in {limits[limit.limit_id].source}"
                problems.append(document.problem(message, ("limits", index, "limit_id"), "limit-id-collision"))
            limits.setdefault(limit.limit_id, document)
        if policy.policy_id in first:
            message = f"policy_id `{policy.policy_id}` is used twice; the other is in {first[policy.policy_id].source}"
            problems.append(document.problem(message, ("policy_id",), "policy-id-collision"))
        first.setdefault(policy.policy_id, document)
    return loaded


def policy_files(source: Any) -> list[Path]:
    """The files that `load_policies` would read for this source now; those of text and of objects are none."""
    if isinstance(source, (Policy, Mapping)) or (isinstance(source, str) and (not source or "\n" in source)):
        return []
    if isinstance(source, (str, Path)):
        return _files(Path(source), [])
    return [path for each in source for path in policy_files(each)]


def pack_files(*names: str) -> list[Path]:
    """The files of these packs, each once: a pack's own, and those of the packs that belong to it.

    Raises:
        PolicyError: there is no pack of one of the names; lists those there are.
    """
    return list(dict.fromkeys(pack_path(each) for name in names for each in (name, *BELONGING.get(name, ()))))


def pack_path(name: str) -> Path:
    """The file of one starter policy shipped with the library. Raises PolicyError as `pack_files` does."""
    folder = Path(str(resources.files("toolguard"))) / "packs"
    known = tuple(sorted(path.stem for path in folder.glob("*.yaml")))
    if name not in known:
        raise PolicyError([Problem(f"unknown pack `{name}`{nearest(name, known)} (packs: {', '.join(known)})", "pack")])
    return folder / f"{name}.yaml"


def _documents(source: Any, problems: list[Problem]) -> Iterable[Document | Policy]:
    if isinstance(source, Policy):
        yield source
    elif isinstance(source, Mapping):
        yield Document(f"policy object `{source.get('policy_id', '?')}`", dict(source))
    elif isinstance(source, str) and "\n" in source:
        yield from _read("policy text", source, problems)
    elif source == "":
        problems.append(Problem("an empty text names no policies", "policies"))
    elif isinstance(source, (str, Path)):
        for path in _files(Path(source), problems):
            text = _text_of(path, problems, "" if isinstance(source, Path) else _MANY_LINES)
            if text is not None:
                yield from _read(str(path), text, problems)
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        for each in source:
            yield from _documents(each, problems)
    else:
        problems.append(Problem(f"cannot load policies from an object of type `{type(source).__name__}`", "policies"))


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    try:
        folder = path.is_dir()
    except (OSError, ValueError):  # no file can have this path; reading it says so
        folder = False
    if not folder:
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".yaml", ".yml") and not p.name.startswith("."))
    if not found:
        problems.append(Problem("the folder holds no `.yaml` or `.yml` file", str(path)))
    return found


def _text_of(path: Path, problems: list[Problem], hint: str) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            problems.append(Problem(f"the file is larger than {MAX_BYTES} bytes", str(path)))
            return None
        return data.decode()
    except UnicodeDecodeError as error:
        problems.append(Problem(f"is not UTF-8 text: byte {error.start} cannot be decoded", str(path)))
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        why = getattr(error, "strerror", None) or str(error)
        problems.append(Problem(f"cannot be read: {why.lower()}{hint}", ascii(str(path))[1:-1]))
    return None


def dump_policy(policy: Policy) -> str:
    """The policy as YAML that loads as the same policy; keys with their default value are left out."""
    data = policy.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


_BREAKS = frozenset("\x85\u2028\u2029")  # line breaks to YAML 1.1, which folds them


class _Dumper(yaml.SafeDumper):
    """Quotes every text that our reader, which follows YAML 1.2, would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - anchors are not part of the language
        return True

    def represent_text(self, text: str) -> Any:
        means_something = any(pattern.fullmatch(text) for pattern, _ in _SCALARS) or not _BREAKS.isdisjoint(text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if means_something else None)


_Dumper.add_representer(str, _Dumper.represent_text)


# -- YAML --------------------------------------------------------------------------------------------------------------


def _place(mark: Any) -> Place:
    """Line and column from 1, as editors count."""
    return (mark.line + 1, mark.column + 1) if mark else (None, None)


class _Refused(Exception):
    def __init__(self, message: str, mark: Any) -> None:
        super().__init__(message)
        self.place = _place(mark)


def read_text(source: str, text: str) -> Document | None:
    """The document of one YAML text, not validated; None if it cannot be read."""
    return next(iter(_read(source, text, [])), None)


def _read(source: str, text: str, problems: list[Problem]) -> Iterable[Document]:
    try:
        yield _Reader(source, text).document()
    except _Refused as refused:
        problems.append(Problem(str(refused), source, *refused.place))
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        problems.append(Problem(f"is not YAML: {words_of(error, text)}", source, *place))
    except (yaml.YAMLError, ValueError) as error:
        problems.append(Problem(f"is not YAML: {str(error).splitlines()[0]}", source))


class _Reader:
    """Builds one document from the parser's events, within bounds."""

    def __init__(self, source: str, text: str) -> None:
        if len(text) > MAX_BYTES:
            raise _Refused(f"the text is longer than {MAX_BYTES} characters", None)
        self.events = yaml.parse(text, Loader=_LOADER)
        self.result = Document(source, text=text)
        self.nodes = 0

    def document(self) -> Document:
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Refused("a second document begins here; one file holds one policy", event.start_mark)
                self.result.data = self.value(next(self.events), (), 0)
        if documents == 0 or self.result.data is None:
            raise _Refused("the document is empty", None)
        return self.result

    def value(self, event: Any, path: Path_, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_YAML_DEPTH:
            bound = f"{MAX_NODES} values" if self.nodes > MAX_NODES else f"{MAX_YAML_DEPTH} levels"
            raise _Refused(f"the document has more than {bound}", event.start_mark)
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _Refused("anchors and aliases are not part of the policy language; write the value out", event.start_mark)
        self.places.setdefault(path, _place(event.start_mark))
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if event.tag and event.tag not in ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise _Refused(f"the tag `{event.tag}` is not part of the policy language", event.start_mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path, depth)
        return self.mapping(path, depth)

    @property
    def places(self) -> dict[Path_, Place]:
        return self.result.places

    def sequence(self, path: Path_, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, (*path, len(items)), depth + 1))
        return items

    def mapping(self, path: Path_, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.value(event, (*path, "?"), depth + 1) if not isinstance(event, yaml.ScalarEvent) else event.value
            if not isinstance(key, str):
                raise _Refused("a key has to be text", event.start_mark)
            if key in items:
                raise _Refused(f"the key `{key}` is used twice", event.start_mark)
            self.places[(*path, key)] = _place(event.start_mark)
            items[key] = self.value(next(self.events), (*path, key), depth + 1)
        return items

    def scalar(self, event: Any) -> Any:
        if event.tag and event.tag not in _CORE_TAGS:
            raise _Refused(f"the tag `{event.tag}` is not part of the policy language", event.start_mark)
        if not event.implicit[0]:
            return event.value
        for pattern, read in _SCALARS:
            if pattern.fullmatch(event.value):
                return read(event.value)
        return event.value


# -- validation --------------------------------------------------------------------------------------------------------


def _validate(document: Document, problems: list[Problem]) -> Policy | None:
    if not isinstance(document.data, Mapping):
        problems.append(document.problem("a policy has to be a mapping that begins with `policy_id:`"))
        return None
    bound = _beyond_bounds(document.data)
    if bound is not None:
        path, message = bound
        problems.append(document.problem(message, path))
        return None
    data = document.data
    policy, errors = validated(data)
    found = (message_of(error, data) for error in errors)
    problems += [document.problem(message, path, code) for path, message, code in filter(None, found)]
    if errors and not {"rules", "limits"} & data.keys() and not any("`rules`" in problem.message for problem in problems):
        problems.append(document.problem("the key `rules` is missing"))  # asked last, and not at all of a policy with errors
    return policy


def _values(data: Any) -> Iterator[tuple[Path_, Any]]:
    """Everything in the policy, each with its path."""
    stack: list[tuple[Path_, Any]] = [((), data)]
    while stack:
        path, value = stack.pop()
        yield path, value
        if isinstance(value, dict):
            stack += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            stack += [((*path, index), inner) for index, inner in enumerate(value)]


def _beyond_bounds(data: Any) -> tuple[Path_, str] | None:
    """Endless or too deep data, which the models must not be asked about."""
    for seen, (path, _) in enumerate(_values(data), 1):
        if sum(part in ("and", "or", "not") for part in path) > MAX_DEPTH:
            return path, f"conditions are nested deeper than {MAX_DEPTH} levels"
        if seen > MAX_NODES or len(path) > MAX_YAML_DEPTH:
            return path, "the policy is too large or refers to itself"
    return None
