"""The page of an evidence pack: what was decided, for people to read. One file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

from toolguard.audit.capture import disclosed
from toolguard.audit.select import hits_of, shown_time
from toolguard.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from toolguard.audit.capture import Opening
    from toolguard.audit.note import Checkpoint
    from toolguard.model import Record

MAX_ROWS = 5000  # of one table: more are for programs

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d9dee6 }
table.narrow { width: auto }
td { vertical-align: top; overflow-wrap: break-word; max-width: 24rem } th { font-weight: 600; white-space: nowrap }
.n { text-align: right; font-variant-numeric: tabular-nums } .t { white-space: nowrap; font-variant-numeric: tabular-nums }
.v { font-weight: 600; white-space: nowrap } .allow { color: #146c2e } .flag { color: #8a5a00 } .escalate { color: #6b2fa0 }
.deny { color: #a8201a } small, .s { color: #5a6675 } code { font-size: .9em; overflow-wrap: anywhere }
blockquote { margin: .2rem 0; padding-left: .6rem; border-left: 3px solid #d9dee6; color: #5a6675 }
"""


class Summary:
    """Sums records up as they go by; of each table the page has the first rows and says how many more there are."""

    def __init__(self, checkpoint: Checkpoint, disclose: Sequence[str] | None = ()) -> None:
        """Of parameters the page shows what the pack discloses."""
        self.records = 0
        self._checkpoint, self._disclose = checkpoint, disclose
        self._times: list[int] = []
        self._verdicts: Counter[str] = Counter()
        self._fired: Counter[tuple[str, str, str, str]] = Counter()
        self._decisions, self._others = _Rows(), _Rows()

    def add(self, record: Record, content: Mapping[str, Any]) -> None:
        """Take in the next record."""
        self.records += 1
        if isinstance(content.get("time"), int):
            self._times = [min([*self._times, content["time"]]), max([*self._times, content["time"]])]
        if content.get("kind") != "decision":
            self._others.add(lambda: _other(record, content))
            return
        self._verdicts[str(content.get("verdict"))] += 1
        for hit in hits_of(content):
            name = f"{hit.get('rule_id')}" + (f" ({hit['rule_name']})" if hit.get("rule_name") else "")
            self._fired[name, str(hit.get("policy_id")), str(hit.get("effect")), json.dumps(hit.get("citation"))] += 1
        self._decisions.add(lambda: _decision(record, content, self._disclose))

    def html(self, policies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The page, line by line."""
        span = " to ".join(map(shown_time, self._times)) or "no times"
        covered = f"of the {self._checkpoint.size} that the checkpoint of <code>{_text(self._checkpoint.origin)}</code> covers"
        how = "The evidence is in <code>records.jsonl</code>; <code>README.txt</code> says how to verify it."
        verdicts = ([_verdict(word), _count(self._verdicts[word])] for word in sorted(self._verdicts))
        kept = [each for revision in policies for each in revision.get("policies", ())]
        yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evidence</title>'
        yield f"<style>{_STYLE}</style></head><body>\n"
        yield "<h1>What an agent asked for, and what was decided</h1>\n"
        yield f"<p>{self.records} records, {span}, {covered}. {how}</p>\n"
        yield "<h2>Verdicts</h2>\n"
        yield from _table(("verdict", "decisions"), verdicts, kind="narrow")
        yield "<h2>Rules that fired</h2>\n"
        yield from _table(("rule", "policy", "effect", "times", "source"), map(_rule, self._fired.most_common()))
        yield "<h2>Decisions</h2>\n"
        yield from _table(("record", "time", "verdict", "tool", "caller", "why"), self._decisions.rows, self._decisions.more)
        yield "<h2>What became of them, and what else happened</h2>\n"
        yield from _table(("record", "time", "kind", "what"), self._others.rows, self._others.more)
        yield "<h2>Policies</h2>\n"
        yield from _table(("policy", "version", "mode", "rules"), map(_policy, kept))
        yield "</body></html>\n"


class _Rows:
    """The first rows of a table, and how many more there would be."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.more = 0

    def add(self, row: Callable[[], list[str]]) -> None:
        if len(self.rows) < MAX_ROWS:
            self.rows.append(row())
        else:
            self.more += 1


def _table(names: Sequence[str], rows: Iterable[list[str]], more: int = 0, *, kind: str = "wide") -> Iterator[str]:
    lines = [f"<tr>{''.join(row)}</tr>\n" for row in rows]
    if not lines:
        yield '<p class="s">none</p>\n'
        return
    yield f"<table class={kind}><thead><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr></thead><tbody>\n"
    yield from lines
    yield "</tbody></table>\n"
    if more:
        yield f'<p class="s">and {more} more in <code>records.jsonl</code></p>\n'


def _rule(each: tuple[tuple[str, str, str, str], int]) -> list[str]:
    (name, policy, effect, citation), times = each
    return [_cell(name), _cell(policy), _verdict(effect), _count(times), f"<td>{_citation(json.loads(citation))}</td>"]


def _citation(citation: Any) -> str:
    if not isinstance(citation, dict):
        return '<span class="s">none given</span>'
    title = citation.get("document_title") or citation.get("document_id") or "a document without a name"
    section = f" §{citation['section']}" if citation.get("section") else ""
    excerpt = f"<blockquote>{_text(citation['excerpt'])}</blockquote>" if citation.get("excerpt") else ""
    return f"{_text(title)}{_text(section)}{excerpt}"


def _decision(record: Record, content: Mapping[str, Any], disclose: Sequence[str] | None) -> list[str]:
    call = content.get("call")
    call = call if isinstance(call, dict) else {}
    caller = " / ".join(str(call[name]) for name in ("org_id", "agent_id", "session_id") if call.get(name))
    values = "".join(f"<br><code>{_text(_value(opening))}</code>" for opening in disclosed(record.payload, disclose).values())
    verdict, why = _verdict(str(content.get("verdict"))), f"<td>{_text(content.get('reason'))}{values}</td>"
    return [_count(record.seq), _time(content), verdict, _cell(call.get("tool")), _cell(caller), why]


def _value(opening: Opening) -> str:
    """`amount = 30`, or what there is if it is something else."""
    try:
        name, value = json.loads(opening.text or "")
        return f"{name} = {json.dumps(value, ensure_ascii=False)}"
    except (ValueError, TypeError):
        return opening.text or ""


def _other(record: Record, content: Mapping[str, Any]) -> list[str]:
    known = ("v", "seq", "prev", "time", "kind", "note", "peaks")
    said = "; ".join(f"{name}: {value}" for name, value in content.items() if name not in known and value is not None)
    return [_count(record.seq), _time(content), _cell(content.get("kind")), _cell(said)]


def _policy(policy: Mapping[str, Any]) -> list[str]:
    rules = ", ".join(str(each.get("rule_id")) for each in policy.get("rules", ()))
    return [_cell(policy.get("policy_id")), _cell(policy.get("version")), _cell(policy.get("mode")), _cell(rules)]


def _time(content: Mapping[str, Any]) -> str:
    return f'<td class="t">{shown_time(content.get("time"))}</td>'


def _verdict(word: str) -> str:
    kind = word if word in ("allow", "flag", "escalate", "deny") else ""
    return f'<td class="v {kind}">{_text(word)}</td>'


def _count(number: int) -> str:
    return f'<td class="n">{number}</td>'


def _cell(value: Any) -> str:
    return f"<td>{_text('' if value is None else value)}</td>"


def _text(value: Any) -> str:
    """What a model or anybody else wrote, as text and nothing else."""
    return escape(printable(str(value)))
