"""An agent that refunds one order, and waits while a person decides.

Start it again after it was killed: it waits for the same answer.
"""

import sys
from pathlib import Path

from toolguard import Guard, ToolDenied, guarded

HERE = Path(__file__).parent
folder = Path(sys.argv[1])  # where `run.py` has put the ledger and the people who may answer
amount = float(sys.argv[2]) if len(sys.argv) > 2 else 300.0

guard = Guard(HERE / "policy.yaml", ledger=folder / "refunds.db", approvers=folder / "people.json")


@guarded(guard)
def issue_refund(order_id: str, amount: float) -> str:
    with (folder / "refunded.txt").open("a") as file:  # stands for the payment
        file.write(f"{order_id} {amount}\n")
    return f"refunded {amount} on {order_id}"


# The session names the piece of work, not the process: that is how the answer is found again after a restart.
with guard, guard.acting_as(agent_id="support-bot", session_id="ticket-81"):
    print(f"the agent wants to refund {amount}", flush=True)
    try:
        print(issue_refund("A-1", amount), flush=True)
    except ToolDenied as denied:
        print(denied.message_for_model(), flush=True)
