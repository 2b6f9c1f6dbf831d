"""Whether a call can be undone: the field `reversibility`, from the facts of what it is given, and the tool's name as a hint.

`reversible` changes nothing, `recoverable` can be put back, `irreversible` cannot, `unknown` nobody can say. What SQL, commands
and HTTP methods say counts more than a name: `get_data` that is given a DELETE deletes. A name is taken apart into verbs and
what they are about, so that `select_and_delete` is no read because it begins with one, and `list_payouts` pays nothing out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toolguard.classify.shell.classifier import classify as facts_of_command
from toolguard.classify.sql.classifier import classify as facts_of_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GRADES = ("reversible", "recoverable", "unknown", "irreversible")  # from harmless to what has to be stopped

_SQL = ("sql", "query", "statement", "sql_query", "q")
_COMMANDS = ("command", "cmd", "script", "shell_command")
_BEGINS_LIKE_SQL = re.compile(
    r"\s*(--[^\n]*\n\s*|/\*.*?\*/\s*)*\(?\s*(select|with|insert|update|delete|merge|replace|drop|truncate|alter|create|grant|revoke|exec|"
    r"execute|call|do|copy|vacuum|explain|show|begin|set|use|pragma|attach|declare)\b",
    re.IGNORECASE | re.DOTALL,
)

_READS = frozenset(
    (
        "get gets list lists read reads fetch search find query show describe view count check lookup look explain inspect "
        "preview head cat grep glob diff ping summarize analyze analyse validate test estimate calculate compute compare "
        "retrieve select browse watch tail ls scan detect classify extract parse translate convert format think ask answer "
        "recall load open download verify audit monitor track measure forecast predict embed rank score filter sort match "
        "lint render screenshot observe discover resolve suggest recommend review evaluate simulate navigate scroll hover "
        "help whoami"
    ).split()
)
_RECOVERABLE = frozenset(
    (
        "create add write update edit set rename move copy insert save append upsert patch put tag label assign comment "
        "draft note todo log record register store cache mark pin star archive unarchive schedule book reserve invite join "
        "attach upload import build compile generate configure enable start restart resume pause open reopen link unlink "
        "change modify adjust increment toggle subscribe unsubscribe follow complete finish approve reply type click fill "
        "select mkdir touch commit checkout branch stash"
    ).split()
) - {"approve", "reply"}
_IRREVERSIBLE = frozenset(
    (
        "delete destroy drop purge wipe erase truncate remove rm send publish deploy transfer pay refund charge wire execute "
        "launch terminate kill shutdown reboot reset revoke release submit post tweet email mail notify broadcast sign buy "
        "sell trade withdraw payout disburse settle rotate disable overwrite ban block cancel expire evict flush clear empty "
        "unpublish deactivate decommission deprovision fire dismiss reject approve merge push promote rollback restore "
        "format detonate burn mint stake reply message sms call dial print ship dispatch issue void forget shred unlock lock "
        "migrate sync replace obliterate nuke escalate grant elevate authorize capture donate tip bid order purchase "
        "checkout wire swap redeem liquidate"
    ).split()
) - {"checkout", "call", "lock", "sync"}
_RUNS = frozenset("run exec call invoke do perform request".split())
_CARRIERS = _RUNS | frozenset("execute query sql shell bash command terminal".split())
_MONEY = frozenset(
    "money wire payment payments payout payouts refund refunds funds transfer transfers charge charges invoice salary".split()
)
_KEYS = frozenset(
    "password passwords secret secrets token tokens credential credentials key keys admin root permission permissions".split()
)
_JOINS = frozenset("and then or plus after before or_else n".split())
_STATES = frozenset(
    "status state info current time date weather details detail metadata version health config schema stats".split()
)
_ALL = frozenset("all everything every bulk mass".split())
_READING_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


def of_call(tool: str, group: str | None, params: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """One of `GRADES` for a call."""
    facts = list(_facts(params, context))
    name = of_name(tool, group or "")
    hint = of_annotations(context.get("annotations"))
    if hint:  # said by whoever serves the tool, so it is believed for the worse, and where the name says nothing
        name = hint if name == "unknown" else max(name, hint, key=GRADES.index)
    if not facts:
        return name
    return max(
        [*facts, *([name] if name in ("recoverable", "irreversible") and not _only_carries(tool) else [])], key=GRADES.index
    )


def _facts(params: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[str]:
    """What the parameters say, one grade for each that says anything."""
    for name, value in params.items():
        key = name.lower()
        if key in _COMMANDS and isinstance(value, str):
            yield of_command(value, context)
        elif (
            isinstance(value, str) and (key == "sql" or _BEGINS_LIKE_SQL.match(value)) and (key in _SQL or " " in value.strip())
        ):
            if key in _SQL or re.search(r"\b(from|into|table|set|where|values)\b", value, re.IGNORECASE):
                yield of_sql(value, context)
        elif key in ("method", "http_method") and isinstance(value, str):
            yield of_method(value)


def of_annotations(annotations: Any) -> str | None:
    """What the annotations of an MCP tool promise; None where they promise nothing."""
    if type(annotations) is not dict:
        return None
    reads, destroys = annotations.get("readOnlyHint"), annotations.get("destructiveHint")
    if destroys is True:
        return "irreversible"
    if reads is True:
        return "reversible"
    return "recoverable" if reads is False and destroys is False else None


def of_sql(text: str, context: Mapping[str, Any]) -> str:
    """The grade of a SQL text."""
    facts = facts_of_sql(text, context.get("dialect"))
    if facts.read_only:
        return "reversible"
    if not facts.parsed or facts.ambiguous or facts.functions_unknown:
        return "irreversible" if facts.destructive else "unknown"
    if facts.unbounded_write:
        return "irreversible"
    if facts.destructive:
        pinned = (
            facts.bounded_by in ("values", "limit")
            and set(facts.kinds) <= {"delete", "update"}
            and set(facts.effects) <= {"read", "write"}
        )
        return "recoverable" if pinned else "irreversible"
    if set(facts.kinds) <= {
        "insert",
        "update",
        "create",
        "alter",
        "grant",
        "revoke",
        "set",
        "comment",
        "rename",
        "merge",
        "transaction",
    }:
        return "recoverable"
    return "unknown"


def of_command(text: str, context: Mapping[str, Any]) -> str:
    """The grade of a shell command."""
    facts = facts_of_command(text, context.get("workspace"), context.get("cwd"), context.get("home"))
    if facts.destructive or facts.deletes_outside or facts.exfiltration or facts.history_rewrite:
        return "irreversible"
    if facts.parse == "opaque" or facts.runs_unknown_code or facts.writes_outside or facts.persistence:
        return "unknown"
    return (
        "recoverable"
        if facts.writes is None or facts.writes or facts.deletes or not _only_reads(facts.programs)
        else "reversible"
    )


def _only_reads(programs: tuple[str, ...]) -> bool:
    return set(programs) <= _READING_PROGRAMS


_READING_PROGRAMS = frozenset(
    (
        "ls cat head tail grep egrep fgrep rg find wc sort uniq cut tr diff cmp stat file du df pwd echo printf date whoami "
        "id hostname uname ps top env printenv which type tree jq yq less more basename dirname realpath readlink md5sum "
        "sha256sum column true false test [ cd"
    ).split()
)


def of_method(method: str) -> str:
    """The grade of an HTTP method."""
    if method.upper() in _READING_METHODS:
        return "reversible"
    return "irreversible" if method.upper() == "DELETE" else "unknown"


# -- names -----------------------------------------------------------------------------------------------------------------


def _only_carries(tool: str) -> bool:
    """Its name says only that something is run: what that is decides."""
    return bool(set(words_of(tool)) & _CARRIERS)


@lru_cache(maxsize=4096)
def of_name(tool: str, group: str = "") -> str:
    """The grade that a tool's name suggests."""
    clauses = list(_clauses(words_of(tool)))
    grades = [grade for clause in clauses if (grade := _of_clause(clause)) is not None]
    if grades:
        return max(grades, key=GRADES.index)
    return "irreversible" if set(words_of(group)) & (_IRREVERSIBLE | _MONEY | {"outflow", "destructive"}) else "unknown"


def words_of(name: str) -> tuple[str, ...]:
    """`mcp__github__getIssue` is mcp, github, get, issue."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name))
    return tuple(word.lower() for word in re.split(r"[^A-Za-z0-9]+", parted) if word)


def _clauses(words: tuple[str, ...]) -> Iterator[list[str]]:
    clause: list[str] = []
    for word in words:
        if word in _JOINS:
            yield clause
            clause = []
        else:
            clause.append(word)
    yield clause


def _of_clause(words: list[str]) -> str | None:
    """A verb and what it is about; behind a verb that reads, everything is what is read."""
    for place, word in enumerate(words):
        rest = set(words[place + 1 :])
        if word in _IRREVERSIBLE:
            return "irreversible"
        if word in _RUNS:
            return None  # what it runs decides, and nothing says what that is
        if word in _RECOVERABLE:
            return "irreversible" if rest & (_MONEY | _KEYS | _ALL) or rest & {"offline", "down", "off"} else "recoverable"
        if word == "export":
            return "irreversible" if rest & _ALL else "reversible"
        if word in _READS:
            return "reversible"
    return "reversible" if set(words) & _STATES else None
