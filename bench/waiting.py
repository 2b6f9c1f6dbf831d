"""What it costs to wait for a person: the processor's time while many calls wait, and how soon one goes on after its answer."""

import asyncio
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cases import TOOL
from bench.durable import NONE, bare, insert
from bench.measure import QUICK, agree, row, seconds_of
from toolguard import Guard, guarded
from toolguard.approvals.answer import Reply, answer
from toolguard.audit.sign import Signer

DANA = Signer("dana", bytes(32))
POLICY = {
    "policy_id": "p",
    "scope": {"tool_names": [TOOL]},
    "rules": [{"rule_id": "ask", "effect": "escalate", "conditions": {"field": "amount", "operator": "exists"}}],
}


def rows(pace):
    calls, idle = (20, 0.5) if pace == QUICK else (1000, 5)
    with TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        path = Path(folder) / "ledger.db"
        approvers = {str(DANA.verifier): ["*"]}
        with Guard(POLICY, ledger=path, approvers=approvers, checkpoints=NONE) as guard:
            share, late = asyncio.run(many(guard, calls, idle))
            with closing(bare(Path(folder) / "bare.db")) as database:
                body = guard.store.last().body
                plain = seconds_of(lambda: insert(database, [body]), 50) / 50
    checks = [agree("calls that went on", calls // 5, len(late))]
    note = f"p99 {late[int(0.99 * (len(late) - 1))] * 1e3:.0f} ms; {calls:,} wait at {share:.1%} of a core (design: at most 2%)"
    yield row("a call goes on after its answer / a durable insert", [(late[len(late) // 2], plain)], checks, note=note)


def all_wait(guard, calls):
    while len(guard.pending()) < calls:
        time.sleep(0.1)
    time.sleep(0.5)


async def many(guard, calls, idle):
    """(The share of a core while they wait, how late those were that were answered)."""
    ran, answered = {}, {}

    @guarded(guard, tool=TOOL)
    async def issue_refund(amount):
        ran[amount] = time.perf_counter()

    tasks = [asyncio.create_task(issue_refund(amount)) for amount in range(calls)]
    await asyncio.to_thread(all_wait, guard, calls)
    used, begun = time.process_time(), time.perf_counter()
    await asyncio.sleep(idle)
    share = (time.process_time() - used) / (time.perf_counter() - begun)

    def answering():
        for call in guard.pending()[: calls // 5]:
            answer(guard._log, call.key, DANA, Reply(granted=True, by=DANA.name))  # noqa: SLF001 - as the command does
            answered[call.call["params"]["amount"]] = time.perf_counter()
            time.sleep(0.01)

    await asyncio.to_thread(answering)
    await asyncio.wait_for(asyncio.gather(*(tasks[amount] for amount in answered)), 30)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return share, sorted(ran[amount] - answered[amount] for amount in answered)
