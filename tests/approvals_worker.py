"""A process of its own with a guard, for tests: one JSON command a line on standard input, one answer a line."""

import json
import sys

from toolguard import Guard

ledger, people, policy = sys.argv[1:]
clock = [0]
guard = None
for line in sys.stdin:
    given = json.loads(line)
    clock[0] = given["now"]
    if guard is None:
        guard = Guard(json.loads(policy), ledger=ledger, approvers=people, now=lambda: clock[0])
    decision = guard.evaluate("pay", {"amount": given["amount"]}, agent_id=given["agent"], session_id="s")
    answer = {"verdict": decision.verdict.word, "escalation": decision.escalation.id if decision.escalation else None}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
