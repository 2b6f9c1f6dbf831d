"""The orders: from the CSV file into a real SQLite database, and what that database says at any moment."""

from __future__ import annotations

import csv
import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = """
CREATE TABLE orders (
  id TEXT PRIMARY KEY, customer TEXT, item TEXT, total INTEGER, currency TEXT, status TEXT,
  refunded INTEGER CHECK (refunded BETWEEN 0 AND total)
) STRICT
"""  # amounts in cents


@dataclass(frozen=True)
class Snapshot:
    """The database at one moment: a digest of all that is in it, and the sum refunded in cents."""

    digest: str
    refunded: int


def create(database: Path, source: Path) -> int:
    """Fill a new database from the CSV file; how many orders it has then."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = [row | {name: cents(row[name]) for name in ("total", "refunded")} for row in csv.DictReader(file)]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(SCHEMA)
        connection.executemany("INSERT INTO orders VALUES (:id, :customer, :item, :total, :currency, :status, :refunded)", rows)
    return len(rows)


def snapshot(database: Path) -> Snapshot:
    """Read the whole database: tables, rows and all."""
    with closing(sqlite3.connect(database)) as connection:
        dump = "\n".join(connection.iterdump())
        (refunded,) = connection.execute("SELECT sum(refunded) FROM orders").fetchone()
    return Snapshot(hashlib.sha256(dump.encode()).hexdigest(), refunded)


def run(database: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement, whatever it does."""
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(sql, values).fetchall()


def cents(amount: Any) -> int:
    return int(Decimal(str(amount)) * 100)


def money(amount: int) -> str:
    return f"${Decimal(amount) / 100:,.2f}"
