"""`limits:` of a policy: how much there may be of something in a window of time, for each of some keys."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from toolguard.policy.effects import Citation, EffectConfig
from toolguard.policy.fields import IDENTITY, parse_field
from toolguard.policy.strict import Name, Refused, Strict
from toolguard.text import shown
from toolguard.windows import CALENDAR, WRITTEN, window_of

_PERCENT = re.compile(r"([1-9][0-9]?|100)%")
_OF_ONE_CALL = "call_id"


class Threshold(Strict):
    """What happens before a limit is exceeded."""

    at: Annotated[str, Field(json_schema_extra={"pattern": f"^{_PERCENT.pattern}$"})]
    """The share of `max` that has to be reached: `80%`."""
    effect: Literal["flag", "escalate", "deny"] = "flag"
    """What it does with the calls from there on."""

    @field_validator("at")
    @classmethod
    def _is_a_share(cls, text: str) -> str:
        if not _PERCENT.fullmatch(text):
            raise Refused(f"`at` has to be a share such as `80%`, from 1% to 100%, not `{text}`")
        return text

    @property
    def percent(self) -> int:
        """The share in percent."""
        return int(self.at.removesuffix("%"))


def _key(text: str) -> str:
    """A field whose values the model does not choose."""
    field = parse_field(text, {})
    if field.root == "parameters" or text.startswith("context.agent_supplied"):
        raise ValueError(f"`per` cannot be `{text}`, which the model writes: with another value it would begin anew")
    if (field.root not in (*IDENTITY, "context")) or field.root == _OF_ONE_CALL or field.many is not None:
        raise ValueError(f"`per` cannot be `{text}`: name {', '.join(set_of_keys())}, or a value of `context`")
    return text


def set_of_keys() -> tuple[str, ...]:
    """The identity fields by which a limit can count."""
    return tuple(name for name in IDENTITY if name != _OF_ONE_CALL)


def _bound(given: Any, info: ValidationInfo) -> int | float:
    if not isinstance(given, (int, float)) or isinstance(given, bool) or not math.isfinite(given) or given < 0:
        raise ValueError(f"`{info.field_name}` has to be a number that is not negative, not {shown(given)}")
    return given


class Trip(Strict):
    """The halt that an exceeded limit puts in force, until a person lifts it."""

    level: Literal["warn", "throttle", "quarantine", "block", "halt"]
    """What happens to the calls it covers, as with `toolguard halt --level`."""
    scope: Literal["agent", "session", "org", "tool", "global"] = "agent"
    """What it covers: the agent, session or organisation of the call (where it has none, its tool), its tool, or everything."""


class Limit(Strict):
    """A rate, a velocity or a budget: counts the calls that may run, or adds up a number of theirs."""

    limit_id: Name
    """Its name in decisions, in the ledger and in fields (`limits.NAME.used`); unique among all policies that are loaded."""
    name: str | None = None
    """A name for people."""
    description: str | None = None
    """What it is for."""
    per: tuple[Annotated[str, AfterValidator(_key)], ...] = Field(default=(), strict=False, max_length=8)
    """For each of what there is a count of its own: `agent_id`, `session_id`, `org_id`, `tool_name`, `tool_group`,
    `context.name`; all calls without such a value share one. Left out, there is one for all."""
    sum: Name | None = None
    """The number that is added up, such as `parameters.amount`; left out, calls are counted."""
    counts: Literal["calls", "denials"] = "calls"
    """`denials`: how often calls were denied, by rules or other limits; once that is `max`, further calls have the effect."""
    max: Annotated[Any, AfterValidator(_bound), WithJsonSchema({"type": "number", "minimum": 0})]
    """How much there may be."""
    window: Annotated[str, Field(json_schema_extra={"pattern": WRITTEN})]
    """In what time: the last `30s`, `15m`, `24h`, `7d`; the present `day`, `week` or `month`; or `lifetime`."""
    time_zone: str | None = None
    """Where the day, week or month is one: `Europe/Berlin`; UTC if left out."""
    lease: Annotated[Any, AfterValidator(_bound), WithJsonSchema({"type": "number", "minimum": 0})] = None
    """How much a process may take at once and use up by itself, for limits that many calls count in. What a process that is
    killed held counts as spent, and near the end somebody may be refused what another process holds."""
    effect: Literal["flag", "escalate", "deny"] = "deny"
    """What happens to a call that would exceed it."""
    thresholds: tuple[Threshold, ...] = Field(default=(), strict=False, max_length=10)
    """What happens before."""
    halt: Trip | None = None
    """What is halted when it is exceeded."""
    effect_config: EffectConfig = EffectConfig()
    """What to say and whom to ask."""
    citation: Citation | None = None
    """Where people wrote this limit down."""

    @field_validator("sum")
    @classmethod
    def _sum_is_a_number(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None:
            return None
        field = parse_field(text, (info.context or {}).get("facts"))
        if field.root not in ("parameters", "context"):
            raise Refused(f"`sum` cannot be `{text}`, which is no number: name a parameter, or a value of `context`")
        if field.many is not None:
            raise Refused(f"`sum` has to be one number, so its field cannot name the items of a list: `{text}`")
        return text

    @field_validator("window")
    @classmethod
    def _is_a_window(cls, text: str) -> str:
        window_of(text)
        return text

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise Refused(f"there is no time zone `{name}`: write one such as `Europe/Berlin`, or `UTC`") from None
        return name

    @model_validator(mode="after")
    def _zone_goes_with_a_calendar(self) -> Self:
        if self.time_zone is not None and self.window not in CALENDAR:
            raise Refused(f"`time_zone` says nothing about the window `{self.window}`", ("time_zone",))
        if self.counts == "denials" and (self.sum is not None or self.thresholds or self.lease is not None):
            key = "sum" if self.sum is not None else "thresholds" if self.thresholds else "lease"
            raise Refused(f"a limit that counts denials has no `{key}`", (key,))
        if self.lease is not None and self.thresholds:
            raise Refused("a limit with a `lease` has no `thresholds`: no process knows how much all have used", ("lease",))
        return self
