"""toolguard decides every tool call an AI agent proposes against written rules, before it runs, and records what it decided."""

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
)
from toolguard.guard import Guard
from toolguard.model import Approval, Decision, Explanation, RuleHit, ToolCall, Verdict

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
    "Verdict",
    "guarded",
    "verify",
]
