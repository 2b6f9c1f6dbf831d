"""`facts:` of a policy: which classifier looks at which field, under a name that conditions use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolguard.canonical import kind_name
from toolguard.classify.registry import CLASSIFIERS
from toolguard.errors import nearest
from toolguard.policy.fields import ALIASES, IDENTITY, LIMITS, OF_THE_CALL, RESULT, ROOTS, Field, parse_field
from toolguard.policy.strict import Refused

if TYPE_CHECKING:
    from toolguard.classify.base import Classifier, Setting

_TAKEN = {*ROOTS, *IDENTITY, *OF_THE_CALL, LIMITS, RESULT, "amount", *(alias.partition(".")[0] for alias in ALIASES)}


@dataclass(frozen=True, slots=True)
class Binding:
    """A classifier, the field it looks at, and its settings: fixed values, or fields that each call fills in."""

    classifier: Classifier
    subject: Field
    settings: Mapping[str, Any]


def parse_binding(given: Mapping[str, str]) -> Binding:
    """Read one entry of `facts:`, such as `{url: parameters.url, method: parameters.method}`.

    Raises:
        Refused: no known classifier, or more than one, an unknown setting, or a field that cannot be one.
    """
    kinds = [key for key in given if key in CLASSIFIERS]
    if len(kinds) != 1:
        known = ", ".join(CLASSIFIERS)
        hint = nearest(next(iter(given), ""), tuple(CLASSIFIERS)) if not kinds else ""
        raise Refused(f"has to name exactly one classifier ({known}) and the field it looks at{hint}")
    classifier = CLASSIFIERS[kinds[0]]
    known_settings = {setting.name: setting for setting in classifier.settings}
    settings = {}
    for key, value in given.items():
        if key == classifier.name:
            continue
        if key not in known_settings:
            raise Refused(f"`{classifier.name}` has no setting `{key}`{nearest(key, tuple(known_settings))}", (key,))
        settings[key] = _setting(known_settings[key], value)
    looked_at = given[classifier.name]
    if classifier.takes in (dict, object) and looked_at in ROOTS:
        return Binding(classifier, Field(looked_at, looked_at, ()), settings)
    return Binding(classifier, subject(looked_at, classifier.name), settings)


def check_fact_name(name: str) -> None:
    """Refuse a name that would take the place of something else."""
    if name in _TAKEN:
        raise Refused(f"`{name}` cannot be the name of facts: it already means something in a condition")
    if not (name.isidentifier() and name.isascii()):
        raise Refused(f"`{name}` cannot be the name of facts: write letters, digits and `_`")


def known_facts(facts: Any) -> dict[str, tuple[str, ...] | None]:
    """For each entry of `facts:` that can be read, the names of its facts: what conditions may use.

    None where it is the entry itself that is wrong.
    """
    known: dict[str, tuple[str, ...] | None] = {}
    for name, given in facts.items() if isinstance(facts, Mapping) else ():
        if isinstance(given, Mapping):
            kinds = [CLASSIFIERS[key] for key in given if key in CLASSIFIERS]
            known[name] = kinds[0].fact_names if kinds else None
    return known


def known_roots(policy: Mapping[str, Any]) -> dict[str, tuple[str, ...] | None]:
    """What conditions of a policy may use besides the call itself: its `facts:`, and its limits by their ids."""
    limits = policy.get("limits")
    given = limits if isinstance(limits, (list, tuple)) else ()
    ids = [limit.get("limit_id") for limit in given if isinstance(limit, Mapping)]
    return known_facts(policy.get("facts")) | {LIMITS: tuple(str(each) for each in ids)}


def _setting(setting: Setting, value: str) -> Field | str:
    root = value.partition(".")[0]
    if setting.of_the_call and root not in ROOTS:
        raise Refused(f"`{setting.name}` has to be a field, such as `parameters.{setting.name}`", (setting.name,))
    if root == "parameters" and not setting.of_the_call:
        raise Refused(
            f"`{setting.name}` cannot come from the parameters, which the model writes: give a text or a field of `context`",
            (setting.name,),
        )
    if root not in ROOTS:
        return value
    field = subject(value, setting.name)
    if field.many is not None:
        raise Refused(f"`{setting.name}` has to be one value, so its field cannot name the items of a list", (setting.name,))
    return field


def subject(text: Any, key: str) -> Field:
    """The field a classifier looks at: a parameter, something in the context, or what came back.

    Raises:
        Refused: it is neither; names `key`.
    """
    if not isinstance(text, str):
        raise Refused(f"`{key}` has to name a field, not {kind_name(text)}", (key,))
    try:
        field = parse_field(text)
    except ValueError as wrong:
        raise Refused(str(wrong), (key,)) from None
    if field.root not in (*ROOTS, RESULT):
        raise Refused(f"`{key}` has to name a parameter, something in the context, or the result, not `{text}`", (key,))
    return field
