"""toolguard decides every tool call an AI agent proposes against written rules, before it runs, and records what it decided."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolguard.audit.check import verify
    from toolguard.audit.checkpoint import Checkpoints
    from toolguard.audit.report import Report
    from toolguard.enforce import guarded
    from toolguard.errors import (
        ApprovalRefused,
        ApprovalUnavailable,
        LedgerCorrupt,
        MalformedCall,
        PolicyError,
        StoreError,
        ToolDenied,
        ToolGuardError,
        ToolHalted,
    )
    from toolguard.guard import Guard
    from toolguard.model import Approval, Decision, RuleHit, ToolCall, Verdict
    from toolguard.walk import Explanation

__all__ = [
    "Approval",
    "ApprovalRefused",
    "ApprovalUnavailable",
    "Checkpoints",
    "Decision",
    "Explanation",
    "Guard",
    "LedgerCorrupt",
    "MalformedCall",
    "PolicyError",
    "Report",
    "RuleHit",
    "StoreError",
    "ToolCall",
    "ToolDenied",
    "ToolGuardError",
    "ToolHalted",
    "Verdict",
    "guarded",
    "verify",
]

# A name is loaded when it is first asked for: who verifies a ledger does not load what decides, and the other way round.
_HOMES = {
    "Approval": "toolguard.model",
    "ApprovalRefused": "toolguard.errors",
    "ApprovalUnavailable": "toolguard.errors",
    "Checkpoints": "toolguard.audit.checkpoint",
    "Decision": "toolguard.model",
    "Explanation": "toolguard.walk",
    "Guard": "toolguard.guard",
    "LedgerCorrupt": "toolguard.errors",
    "MalformedCall": "toolguard.errors",
    "PolicyError": "toolguard.errors",
    "Report": "toolguard.audit.report",
    "RuleHit": "toolguard.model",
    "StoreError": "toolguard.errors",
    "ToolCall": "toolguard.model",
    "ToolDenied": "toolguard.errors",
    "ToolGuardError": "toolguard.errors",
    "ToolHalted": "toolguard.errors",
    "Verdict": "toolguard.model",
    "guarded": "toolguard.enforce",
    "verify": "toolguard.audit.check",
}


if not TYPE_CHECKING:  # or a type checker would believe in every name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module `toolguard` has no attribute `{name}`")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
