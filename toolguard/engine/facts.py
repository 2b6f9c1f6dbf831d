"""The attributes of one call, and how a condition reaches them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from toolguard.canonical import kind_name
from toolguard.classify.reversibility import of_call
from toolguard.errors import Indeterminate, Missing
from toolguard.logic import all_of, any_of
from toolguard.operators import number, quick_of
from toolguard.policy.fields import LIMITS, OF_THE_CALL, RESULT, Field, Items, items_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolguard.logic import Test
    from toolguard.model import ToolCall
    from toolguard.policy.bindings import Binding

_IDENTITY = {
    "tool_name": "tool",
    "tool_group": "tool_group",
    "agent_id": "agent_id",
    "session_id": "session_id",
    "org_id": "org_id",
    "call_id": "call_id",
}
NO_FACTS: Mapping[str, Binding] = {}


def getter(field: Field, facts: Mapping[str, Binding]) -> Callable[[ToolCall], Any]:
    """A function `call -> value` for a field that is one value. `facts` are those of the policy.

    The function raises Missing where there is no such value and Indeterminate where the path cannot be followed.
    """
    if field.root in facts:
        return _fact(field, facts[field.root])
    if field.root in _IDENTITY:
        return _identity(field)
    if field.root == LIMITS:
        return _of_limit(field)
    if field.root in OF_THE_CALL:
        return _reversibility
    if field.root == RESULT:
        return _of_result(field)
    if field.text == "amount":
        return _amount(field)
    if field.root == "parameters" and len(field.steps) == 1:
        return _parameter(field)
    return _nested(field)


def test_of(field: Field, ask: Test, facts: Mapping[str, Binding]) -> Test:
    """`call -> answer`: `ask` of the field's value, or of any or all items' values. `facts` are those of the policy."""
    if field.root in facts:
        return _test_of_fact(field, ask, facts[field.root])
    if field.many is not None:
        ask = _of_items(field.steps[field.many :], ask, field.text)
        field = Field(field.text, field.root, field.steps[: field.many])
    if field.root == "parameters" and len(field.steps) == 1 and field.text != "amount":
        return _test_of_parameter(field, ask)
    get, text = getter(field, NO_FACTS), field.text

    def test(call: ToolCall) -> bool:
        try:
            return ask(get(call))
        except Indeterminate as unknown:
            unknown.field = unknown.field or text
            raise

    return test


def _test_of_parameter(field: Field, ask: Test) -> Test:
    """The commonest case without calls in between: it is most of what a decision costs."""
    (name,), text = field.steps, field.text
    kind, compare, operand = quick_of(ask)

    def test(call: ToolCall) -> bool:
        try:
            value = call.params[name]  # type: ignore[index]
        except KeyError:
            raise Missing("is missing", text) from None
        if type(value) is kind:
            return compare(value, operand)  # type: ignore[no-any-return]
        try:
            return ask(value)
        except Indeterminate as unknown:
            unknown.field = unknown.field or text
            raise

    return test


def _of_items(steps: tuple[Any, ...], ask: Test, text: str) -> Test:
    """A test of a list that asks every item, or what lies below it; the answers are joined as `or` or as `and` does."""
    join, steps = any_of if steps[0] is Items.ANY else all_of, steps[1:]
    further = items_in(steps)
    if further is not None:
        steps, ask = steps[:further], _of_items(steps[further:], ask, text)

    def test(items: Any) -> bool:
        if type(items) is not list:
            raise Indeterminate(f"is {kind_name(items)}, not a list", text)
        return join([partial(ask_one, item) for item in items])(items)

    def ask_one(item: Any, _: Any) -> bool:
        return ask(_follow(item, steps, text))

    return test


def _test_of_fact(field: Field, ask: Test, binding: Binding) -> Test:
    """A test of one fact of a text; where the binding looks at many texts, of any or all of them; of a list, of its items."""
    fact = _fact_reader(field, binding)
    if field.many is not None:
        ask = _of_items(field.steps[field.many :], ask, field.text)
    settings = _settings(binding)

    def test(call: ToolCall) -> bool:
        given = settings(call)
        return bool(_known(test_of(binding.subject, lambda text: ask(fact(text, given)), NO_FACTS))(call))

    if binding.classifier.asks or any(isinstance(value, Field) for value in binding.settings.values()):
        return test
    fixed = dict(binding.settings)
    return _known(test_of(binding.subject, lambda text: ask(fact(text, fixed)), NO_FACTS))


def _fact(field: Field, binding: Binding) -> Callable[[ToolCall], Any]:
    fact, settings, subject = _fact_reader(field, binding), _settings(binding), getter(binding.subject, NO_FACTS)
    return _known(lambda call: fact(subject(call), settings(call)))


def facts_at(binding: Binding, call: ToolCall) -> list[Any]:
    """All facts of the texts that a binding looks at in this call; none where there is no text, or a setting is missing."""
    found: list[Any] = []

    def look(text: Any) -> bool:
        if binding.classifier.takes in (object, type(text)):
            found.append(binding.classifier.classify(text, **_settings(binding)(call)))
        return False

    try:
        test_of(binding.subject, look, NO_FACTS)(call)
    except Indeterminate:
        return found
    return found


def _fact_reader(field: Field, binding: Binding) -> Callable[[Any, dict[str, Any]], Any]:
    """`(text, settings) -> value` of the fact that the field names."""
    name, classify, text = str(field.steps[0]), binding.classifier.classify, binding.subject.text
    takes = binding.classifier.takes
    wanted = {"str": "text", "list": "a list", "dict": "a mapping", "object": "anything"}[takes.__name__]

    def read(value: Any, settings: dict[str, Any]) -> Any:
        if takes is not object and type(value) is not takes:
            raise Indeterminate(f"is {kind_name(value)}, not {wanted}", text)
        facts = classify(value, **settings)
        found = getattr(facts, name)
        if found is None:
            raise Indeterminate(facts.why_unknown, text) if facts.why_unknown else Indeterminate("is not known", field.text)
        found = list(found) if type(found) is tuple else found
        return _follow(found, field.steps[1:], field.text) if isinstance(field.steps[-1], int) else found

    return read


def _settings(binding: Binding) -> Callable[[ToolCall], dict[str, Any]]:
    """`call -> settings`. What may be missing is None then; what the host program has to give and did not is unknown."""
    readers = {name: getter(value, NO_FACTS) for name, value in binding.settings.items() if isinstance(value, Field)}
    optional = {setting.name for setting in binding.classifier.settings if setting.of_the_call or setting.optional}

    def read(call: ToolCall) -> dict[str, Any]:
        given: dict[str, Any] = dict(binding.settings)
        if binding.classifier.asks:
            given["ask"] = call.ask
        for name, get in readers.items():
            try:
                given[name] = get(call)
            except Missing:
                if name not in optional:
                    raise
                given[name] = None
        return given

    return read


def _known(ask: Callable[[ToolCall], Any]) -> Callable[[ToolCall], Any]:
    """The same, but a text that is not there is not merely missing: there are no facts that an allow rule could lean on."""

    def known(call: ToolCall) -> Any:
        try:
            return ask(call)
        except Missing as missing:
            raise Indeterminate(missing.reason, missing.field) from None

    return known


def _reversibility(call: ToolCall) -> str:
    return of_call(call.tool, call.tool_group, call.params or {}, call.context or {})


def _identity(field: Field) -> Callable[[ToolCall], Any]:
    attribute = _IDENTITY[field.root]

    def get(call: ToolCall) -> Any:
        value = getattr(call, attribute)
        if value is None:
            raise Missing("is missing", field.text)
        return value.casefold() if attribute == "tool" else value

    return get


def _of_limit(field: Field) -> Callable[[ToolCall], Any]:
    limit_id, what = map(str, field.steps)

    def get(call: ToolCall) -> Any:
        value = call.limits.get(limit_id, {}).get(what)
        if value is None:
            raise Indeterminate("is not known", field.text)
        return value

    return get


def _of_result(field: Field) -> Callable[[ToolCall], Any]:
    def get(call: ToolCall) -> Any:
        if call.came is None:
            raise Indeterminate("is not known before the call", RESULT)
        if call.came.why_unknown:
            raise Indeterminate(call.came.why_unknown, RESULT)
        return _follow(call.came.result, field.steps, field.text)

    return get


def _parameter(field: Field) -> Callable[[ToolCall], Any]:
    (name,) = field.steps

    def get(call: ToolCall) -> Any:
        try:
            return call.params[name]  # type: ignore[index]
        except KeyError:
            raise Missing("is missing", field.text) from None

    return get


def _amount(field: Field) -> Callable[[ToolCall], Any]:
    """The reference's bare `amount`: a negative or unreadable one must not slip under a limit."""
    get_parameter = _parameter(field)

    def get(call: ToolCall) -> Any:
        value = get_parameter(call)
        if number(value) < 0:
            raise Indeterminate("is negative", "amount")
        return value

    return get


def _nested(field: Field) -> Callable[[ToolCall], Any]:
    source = "params" if field.root == "parameters" else "context"
    return lambda call: _follow(getattr(call, source), field.steps, field.text)


def _follow(value: Any, steps: tuple[Any, ...], text: str) -> Any:
    for step in steps:
        kind = type(value)
        if type(step) is int:
            if kind is not list:
                raise Indeterminate(f"cannot be followed: `[{step}]` of {kind_name(value)}", text)
            if step >= len(value):
                raise Missing("is missing", text)
        else:
            if kind is not dict:
                raise Indeterminate(f"cannot be followed: `{step}` of {kind_name(value)}", text)
            if step not in value:
                raise Missing("is missing", text)
        value = value[step]
    return value
