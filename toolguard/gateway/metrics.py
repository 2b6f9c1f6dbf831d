"""Counts for Prometheus: decisions, answers, requests, what waits, what is halted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from toolguard.guard import Guard
    from toolguard.model import Decision


class Metrics:
    """One service's. No label holds a word of a model."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = Counter("toolguard_decisions", "Calls that were judged", ["verdict"], registry=self._registry)
        self._requests = Counter("toolguard_requests", "Requests", ["route", "status"], registry=self._registry)
        self._seconds = Histogram("toolguard_request_seconds", "How long they took", ["route"], registry=self._registry)
        self._pending = Gauge("toolguard_escalations_pending", "Calls that wait for a person", registry=self._registry)
        self._halts = Gauge("toolguard_halts", "Halts in force", registry=self._registry)

    def decided(self, decision: Decision) -> None:
        """For `Guard(on_decision=...)`."""
        self._decisions.labels(decision.verdict.word).inc()

    def served(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, guard: Guard) -> bytes:
        """All of them now."""
        self._pending.set(len(guard.pending()))
        self._halts.set(len(guard.halts()))
        return generate_latest(self._registry)
