"""The story that every framework is told here: two refunds, of which the second is above the cap. No network, no key."""

from pathlib import Path

from toolguard import Guard

REFUNDS = (120.0, 1000.0)


def issue_refund(amount: float) -> str:
    """Refund an amount to the customer."""
    return f"refunded {amount}"


def guard() -> Guard:
    """The policy beside this file, and a ledger in the working directory."""
    return Guard(Path(__file__).with_name("policy.yaml"), ledger="refunds.db")


def show(amount: float, told: str) -> None:
    """What the model reads of one call."""
    print(f"issue_refund({amount}): {told}")
