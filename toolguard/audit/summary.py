"""The page of an evidence pack: what was decided, for people to read. One file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

from toolguard.audit.capture import disclosed
from toolguard.audit.select import shown_time
from toolguard.model import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from toolguard.audit.capture import Opening
    from toolguard.audit.note import Checkpoint
    from toolguard.model import Record

Chosen = tuple["Record", "Mapping[str, Any]"]

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


def page(
    chosen: Sequence[Chosen], checkpoint: Checkpoint, policies: Sequence[Mapping[str, Any]], disclose: Sequence[str] | None = ()
) -> str:
    """The page; of parameters it shows what the pack discloses."""
    decisions = [(record, content) for record, content in chosen if content.get("kind") == "decision"]
    verdicts = Counter(str(content.get("verdict")) for _, content in decisions)
    times = [content["time"] for _, content in chosen if isinstance(content.get("time"), int)]
    span = f"{shown_time(min(times))} to {shown_time(max(times))}" if times else "no records"
    origin = f"<code>{_text(checkpoint.origin)}</code>"
    about = f"{len(chosen)} records, {span}, of the {checkpoint.size} that the checkpoint of {origin} covers."
    kept = [each for revision in policies for each in revision.get("policies", ())]
    rest = (_other(*each) for each in chosen if each[1].get("kind") != "decision")
    body = [
        "<h1>What an agent asked for, and what was decided</h1>",
        f"<p>{about} The evidence is in <code>records.jsonl</code>; <code>README.txt</code> says how to verify it.</p>",
        "<h2>Verdicts</h2>",
        *_table(("verdict", "decisions"), ([_verdict(word), _count(verdicts[word])] for word in sorted(verdicts)), "narrow"),
        "<h2>Rules that fired</h2>",
        *_table(("rule", "policy", "effect", "times", "source"), _rules(decisions)),
        "<h2>Decisions</h2>",
        *_table(("record", "time", "verdict", "tool", "caller", "why"), (_decision(*each, disclose) for each in decisions)),
        "<h2>What became of them, and what else happened</h2>",
        *_table(("record", "time", "kind", "what"), rest),
        "<h2>Policies</h2>",
        *_table(("policy", "version", "mode", "rules"), map(_policy, kept)),
    ]
    head = f'<meta charset="utf-8"><title>Evidence</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _table(names: Sequence[str], rows: Iterable[list[str]], kind: str = "wide") -> Iterator[str]:
    lines = [f"<tr>{''.join(row)}</tr>" for row in rows]
    if not lines:
        yield '<p class="s">none</p>'
        return
    yield f"<table class={kind}><thead><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr></thead><tbody>"
    yield from lines
    yield "</tbody></table>"


def _rules(decisions: Sequence[Chosen]) -> Iterator[list[str]]:
    fired: Counter[tuple[str, str, str, str]] = Counter()
    for _, content in decisions:
        for hit in content.get("hits") or ():
            name = f"{hit.get('rule_id')}" + (f" ({hit['rule_name']})" if hit.get("rule_name") else "")
            fired[name, str(hit.get("policy_id")), str(hit.get("effect")), json.dumps(hit.get("citation"))] += 1
    for (name, policy, effect, citation), times in fired.most_common():
        yield [_cell(name), _cell(policy), _verdict(effect), _count(times), f"<td>{_citation(json.loads(citation))}</td>"]


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
