"""The agent's four tools. Each could do harm; `@guarded` puts the guard in front of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orders

from toolguard import Guard, guarded

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent


def build(guard: Guard, database: Path) -> dict[str, Callable[..., Any]]:
    """The tools by name, over this database."""

    @guarded(guard, group="orders")
    def lookup_order(order_id: str) -> str:
        rows = orders.run(database, "SELECT id, item, status, total, refunded FROM orders WHERE id = ?", order_id)
        if not rows:
            return f"there is no order {order_id}"
        number, item, status, total, refunded = rows[0]
        return f"{number}, {item}, {status}, {orders.money(total)}, of which refunded {orders.money(refunded)}"

    @guarded(guard, group="monetary_outflow")
    def issue_refund(order_id: str, amount: float) -> str:
        sql = "UPDATE orders SET refunded = refunded + ? WHERE id = ? RETURNING total, refunded"
        rows = orders.run(database, sql, orders.cents(amount), order_id)
        if not rows:
            return f"there is no order {order_id}"
        total, refunded = map(orders.money, rows[0])
        return f"refunded; {order_id} now has {refunded} of {total} paid back"

    @guarded(guard, group="database")
    def run_sql(sql: str) -> str:
        rows = orders.run(database, sql)
        return "; ".join(", ".join(map(str, row)) for row in rows) or "done"

    @guarded(guard, group="files")
    def read_file(path: str) -> str:
        return (FOLDER / path).read_text(encoding="utf-8")

    return {tool.__name__: tool for tool in (lookup_order, issue_refund, run_sql, read_file)}
