"""What a user's type checker sees; checked by mypy in test_public_api.py, never run."""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from toolguard import Decision, Guard, Verdict, guarded

guard = Guard(pack="payments", ledger=":memory:")


@guarded(guard, group="monetary_outflow")
def issue_refund(order_id: str, amount: float, *, note: str = "") -> str:
    return order_id


@guarded(guard)
async def fetch(url: str) -> bytes:
    return url.encode()


@guarded(guard)
def lines(path: str) -> Iterator[str]:
    yield path


@guarded(guard)
async def events(topic: str) -> AsyncIterator[int]:
    yield len(topic)


class Desk:
    @guarded(guard)
    def refund(self, amount: int) -> int:
        return amount


async def use() -> None:
    assert_type(issue_refund("A-1", 5.0, note="x"), str)
    assert_type(await fetch("x"), bytes)
    assert_type(next(lines("x")), str)
    async for event in events("x"):
        assert_type(event, int)
    assert_type(Desk().refund(5), int)
    decision = guard.evaluate("issue_refund", {"amount": 5})
    assert_type(decision, Decision)
    assert_type(decision.verdict, Verdict)
    issue_refund(5, "x")  # type: ignore[arg-type]
    issue_refund("A-1")  # type: ignore[call-arg]
