"""What `toolguard lint` says about a policy as a whole: its scope, its standing, and what kind of rules it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.errors import nearest
from toolguard.model import Verdict
from toolguard.policy.advice import Severity, check
from toolguard.policy.condition import Leaf, parts
from toolguard.policy.nodes import PathClassify, WriteClassify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.policy.advice import Advice, Path, Written
    from toolguard.policy.document import Policy, Rule

WRITING_TOOLS = (
    "bash",
    "shell",
    "run_command",
    "execute_command",
    "write",
    "write_file",
    "create_file",
    "edit",
    "edit_file",
    "multiedit",
    "notebookedit",
    "str_replace_editor",
    "apply_patch",
)
_PATH_NAMES = ("path", "file", "file_path", "filepath", "filename", "file_name", "notebook_path", "target_file")


def _covers_every_tool(policy: Policy) -> bool:
    return not policy.scope.tool_names and not policy.scope.tool_groups


def _decides(policy: Policy) -> bool:
    return policy.status == "approved"


# -- scope -------------------------------------------------------------------------------------------------------------


@check(
    "policy-scope-leak",
    Severity.WARNING,
    remedy="name the tools in `scope.tool_names` or `scope.tool_groups`, or say `scope.intentionally_global: true`",
)
def policy_scope_leak(written: Written) -> Advice:
    """The policy names no tools, so it judges every call of every tool. Where that is meant, it should say so."""
    if _covers_every_tool(written.policy) and not written.policy.scope.intentionally_global:
        yield ("scope",), "the scope names no tools, so the policy judges every call of every tool"


@check(
    "global-scope-contradiction",
    Severity.WARNING,
    remedy="take away `intentionally_global`, or the tools",
)
def global_scope_contradiction(written: Written) -> Advice:
    """The scope says that it is meant for every tool and yet names some: only those are covered."""
    if written.policy.scope.intentionally_global and not _covers_every_tool(written.policy):
        yield ("scope", "intentionally_global"), "`intentionally_global` is set, and yet only the named tools are covered"


@check(
    "scope-no-tool-group",
    Severity.WARNING,
    remedy="add the group that such tools belong to as `scope.tool_groups`",
)
def scope_no_tool_group(written: Written) -> Advice:
    """The policy covers tools by name only. An agent that may use another tool of the same kind gets past it."""
    scope = written.policy.scope
    if scope.tool_names and not scope.tool_groups:
        yield ("scope", "tool_names"), "the scope names tools and no group: a new tool that does the same is not covered"


@check(
    "unknown-tool",
    Severity.WARNING,
    remedy="write the tool's name as the program registers it",
)
def unknown_tool(written: Written) -> Advice:
    """With `--tools`: a name in the scope is nearly that of a tool, or no name in it is one, so the policy never applies."""
    scope, tools = written.policy.scope, written.tools
    if not tools:
        return
    unknown = [(i, name) for i, name in enumerate(scope.tool_names) if name.casefold() not in tools]
    if unknown and len(unknown) == len(scope.tool_names) and not scope.tool_groups:
        hint = nearest(unknown[0][1].casefold(), tuple(tools))
        yield ("scope", "tool_names"), f"none of these is a tool, so the policy never applies{hint}"
    else:
        close = ((i, name, nearest(name.casefold(), _not_in_scope(written))) for i, name in unknown)
        yield from ((("scope", "tool_names", i), f"`{name}` is not a tool{hint}") for i, name, hint in close if hint)


def _not_in_scope(written: Written) -> tuple[str, ...]:
    named = {name.casefold() for name in written.policy.scope.tool_names}
    return tuple(name for name in written.tools or () if name not in named)


@check(
    "org-id-limits-nothing",
    Severity.NOTE,
    remedy="list the organisations in `scope.org_ids`, if the policy is meant for them only",
)
def org_id_limits_nothing(written: Written) -> Advice:
    """`org_id` is a label that says whose policy it is. Without `scope.org_ids` the policy holds for every organisation."""
    if written.policy.org_id and not written.policy.scope.org_ids:
        yield ("org_id",), f"`org_id` is a label: the policy holds for every organisation, not only `{written.policy.org_id}`"


@check(
    "shadow-only",
    Severity.WARNING,
    remedy="enforce a policy for the tool as well, or make the guard with `unmatched=` what such calls should get",
)
def shadow_only(written: Written) -> Advice:
    """A shadow policy does not cover a tool. One that nothing else covers is denied by default, rules or no rules."""
    if not _decides(written.policy) or written.policy.mode != "shadow":
        return
    enforced = [each for each in written.together if _decides(each) and each.mode == "enforcement"]
    if any(_covers_every_tool(each) for each in enforced):
        return
    names = {name.casefold() for each in enforced for name in each.scope.tool_names}
    groups = {group for each in enforced for group in each.scope.tool_groups}
    if not groups:  # a tool that is named here can belong to a group that is covered
        for index, name in enumerate(written.policy.scope.tool_names):
            if name.casefold() not in names:
                yield ("scope", "tool_names", index), f"only shadow policies cover `{name}`, so every call of it is denied"
    for index, group in enumerate(written.policy.scope.tool_groups):
        if group not in groups and not names:
            yield ("scope", "tool_groups", index), f"only shadow policies cover the group `{group}`, so its calls are denied"


# -- standing ----------------------------------------------------------------------------------------------------------


@check("not-approved", Severity.NOTE, remedy="set `status: approved` when it is to decide")
def not_approved(written: Written) -> Advice:
    """Only approved policies decide. A draft, one in review and an archived one are loaded and left out."""
    if not _decides(written.policy):
        yield ("status",), f"the policy is `{written.policy.status}`, so it decides nothing"


@check("draft-only", Severity.WARNING, remedy="set `status: approved` on the policies that are to decide")
def draft_only(written: Written) -> Advice:
    """None of the policies that are loaded together is approved: nothing covers any tool, and every call is denied."""
    if written.policy is written.together[0] and not any(map(_decides, written.together)):
        yield ("status",), "no policy that is loaded is approved, so every call is denied for want of one"


@check(
    "only-allow-rules",
    Severity.WARNING,
    remedy="to permit only these calls, write a deny rule whose condition is `not:` those",
)
def only_allow_rules(written: Written) -> Advice:
    """What no rule restricts is allowed, so a policy whose rules only allow lets through what they do not name as well.

    One that only asks which tool is called is left in peace: it is the way to cover a harmless tool.
    """
    rules = [rule for _, rule in written.rules()]
    asks = any(field not in ("tool_name", "tool_group") for rule in rules for field in _fields(rule))
    if rules and asks and all(rule.effect == "allow" for rule in rules):
        yield ("rules",), "every rule allows, so the policy stops nothing: calls that its rules do not name are allowed too"


@check(
    "deep-evaluation-ignored",
    Severity.WARNING,
    remedy="take `deep_evaluation` away, and write what it should have caught as rules",
)
def deep_evaluation_ignored(written: Written) -> Advice:
    """`deep_evaluation` loads, because the reference's policies have it, and is never evaluated."""
    if written.policy.deep_evaluation is not None:
        yield ("deep_evaluation",), "`deep_evaluation` is loaded and never evaluated, so it stops nothing"


@check(
    "writable-scope-no-self-protection",
    Severity.WARNING,
    remedy="add a deny or escalate rule on the path that is written, which keeps policies and ledger out of reach",
)
def writable_scope_no_self_protection(written: Written) -> Advice:
    """The policy covers tools that write files or run commands, and no rule says which: such a tool can edit the policy."""
    if written.policy.rules and all(rule.phase == "result" for rule in written.policy.rules):
        return  # it covers no tool
    names = [name for name in written.policy.scope.tool_names if name.casefold() in WRITING_TOOLS]
    writes = _covers_every_tool(written.policy) or bool(names)
    if writes and not any(_guards_a_path(rule, written) for _, rule in written.rules()):
        path: Path = ("scope", "tool_names") if names else ("scope",)
        which = f"`{names[0]}` can" if names else "every tool is covered, also those that can"
        yield path, f"{which} write files, and no rule keeps it from the policies themselves"


def _guards_a_path(rule: Rule, written: Written) -> bool:
    if rule.verdict < Verdict.ESCALATE:
        return False
    if any(isinstance(node, (PathClassify, WriteClassify)) for _, node in parts(rule.conditions)):
        return True
    fields = set(_fields(rule))
    return any(map(_is_about_a_path, fields)) or any(
        any(field.startswith(f"{name}.") for field in fields)
        if "path" in binding or "write" in binding
        else "shell" in binding and not fields.isdisjoint((f"{name}.writes_outside", f"{name}.persistence"))
        for name, binding in written.policy.facts.items()
    )


def _fields(rule: Rule) -> Iterator[str]:
    yield from (node.field for _, node in parts(rule.conditions) if isinstance(node, Leaf))


def _is_about_a_path(field: str) -> bool:
    bare = field.replace("[*]", "").replace("[all]", "")
    return bare.split(".")[0] in ("parameters", bare) and bare.split(".")[-1].casefold() in _PATH_NAMES


# -- rules -------------------------------------------------------------------------------------------------------------


@check(
    "rule-missing-citation",
    Severity.WARNING,
    remedy="add `citation: {document_id: ..., excerpt: ...}` with the document that asks for the rule",
)
def rule_missing_citation(written: Written) -> Advice:
    """The rule does not say where people wrote it down, so nobody can check it, or tell the agent why."""
    for path, rule in written.rules():
        if rule.citation is None:
            yield path, f"the rule `{rule.rule_id}` has no citation"


@check("disabled-rule", Severity.NOTE, remedy="take the rule out, or enable it")
def disabled_rule(written: Written) -> Advice:
    """A rule with `enabled: false` is left out."""
    for index, rule in enumerate(written.policy.rules):
        if not rule.enabled:
            yield ("rules", index, "enabled"), f"the rule `{rule.rule_id}` is disabled, so it never fires"


@check(
    "skip-on-deny",
    Severity.NOTE,
    remedy="leave `on_indeterminate` out, or ask with `exists` for what may be missing",
)
def skip_on_deny(written: Written) -> Advice:
    """`on_indeterminate: skip` on a deny or escalate rule lets a call through when a value is missing or cannot be read."""
    for path, rule in written.rules():
        if rule.on_indeterminate == "skip" and rule.verdict >= Verdict.ESCALATE:
            message = f"the {rule.effect} rule `{rule.rule_id}` lets through what it cannot evaluate"
            yield (*path, "on_indeterminate"), message


@check(
    "escalation-without-approver",
    Severity.NOTE,
    remedy="name the role in `effect_config.escalate_to`; your approver has to check it",
)
def escalation_without_approver(written: Written) -> Advice:
    """The rule asks for a person and does not say which, so that the approver is not told whom to ask."""
    for path, rule in written.rules():
        if rule.effect == "escalate" and not rule.effect_config.escalate_to:
            yield path, f"the rule `{rule.rule_id}` escalates to nobody in particular"


@check("agent-supplied-context", Severity.WARNING, remedy="use a parameter, or something that the host program verified")
def agent_supplied_context(written: Written) -> Advice:
    """`context.agent_supplied` is, by the reference's convention, what the agent says of itself, so no rule can rest on it."""
    for path, _, leaf in written.leaves():
        if leaf.field.startswith("context.agent_supplied."):
            yield path, f"`{leaf.field}` is what the agent says of itself"


MONEY_NAMES = ("amount", "price", "total", "total_amount", "cost", "refund", "refund_amount", "payment", "payout")
_BOUNDS = ("gt", "gte", "lt", "lte")
_OF_TEXT = ("regex", "contains", "not_contains", "starts_with", "ends_with")


@check("money-without-limit", Severity.NOTE, remedy="add a limit with `sum:` on it: many small calls stay below a cap on each")
def money_without_limit(written: Written) -> Advice:
    """The policy caps single amounts. Their sum is not capped, so an agent can split a large amount into many small ones."""
    summed = {written.field(limit.sum).steps[-1] for limit in written.policy.limits if limit.sum is not None}
    for path, rule, leaf in written.leaves():
        last = written.field(leaf.field).steps[-1:]
        if summed & set(last):
            continue
        if rule.verdict >= Verdict.ESCALATE and leaf.operator in _BOUNDS and last and last[0] in MONEY_NAMES:
            yield path, f"single values of `{leaf.field}` are capped, and their sum is not"
            return


@check(
    "amount-without-semantic-check",
    Severity.NOTE,
    remedy="if the tool, or a person after it, acts on free text as well, add a rule on that text",
)
def amount_without_semantic_check(written: Written) -> Advice:
    """The policy looks at the amount and at no text, so `amount: 100` passes with "pay 1000" written beside it.

    That matters where the tool, or a person after it, acts on the text; a tool that only uses the amount is safe.
    """
    leaves = [(path, leaf, _is_amount(leaf.field)) for path, _, leaf in written.leaves()]
    amounts = [(path, leaf) for path, leaf, is_amount in leaves if is_amount]
    if amounts and not any(leaf.operator in _OF_TEXT and not is_amount for _, leaf, is_amount in leaves):
        path, leaf = amounts[0]
        yield path, f"the policy looks at `{leaf.field}` and at no text that could say another amount"


def _is_amount(field: str) -> bool:
    return field in ("amount", "parameters.amount")


@check(
    "sql-without-dialect",
    Severity.WARNING,
    remedy="say which dialect it is, such as `dialect: postgres`, or which field of the context holds it",
)
def sql_without_dialect(written: Written) -> Advice:
    """SQL is read without saying for which database: in all dialects, and the worst reading counts. Harmless queries stop."""
    for name, given in written.policy.facts.items():
        if "sql" in given and "dialect" not in given:
            yield ("facts", name), f"`{name}` reads SQL of no dialect in particular"
