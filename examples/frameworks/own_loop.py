"""No framework: a registry of functions, wrapped; a denied call returns the reason as its result."""

from story import REFUNDS, guard, issue_refund, show

from toolguard import ToolDenied

with guard() as point:
    tools = point.wrap_registry({"issue_refund": issue_refund}, on_deny=ToolDenied.message_for_model)
    for amount in REFUNDS:
        show(amount, tools["issue_refund"](amount=amount))
