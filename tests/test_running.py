"""What runs when it is halted: stopped where it can be, its caller told, and each by itself."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from conftest import leaf, policy, rule

from toolguard import Guard, StoreError, ToolHalted, guarded
from toolguard.running import on_halt

CAP = policy([rule(leaf("amount", "gt", 500))])


@pytest.fixture
def guard(tmp_path):
    with Guard(CAP, ledger=tmp_path / "l.db") as made:
        yield made


def tool(guard, function):
    return guarded(guard, tool="t")(function)


def halt_in(guard, seconds, scope="global"):
    def work():
        time.sleep(seconds)
        guard.halt(scope, reason="stop it", by="ops")

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def outcomes(guard):
    return [record.content["outcome"] for record in guard.store.scan() if record.content["kind"] == "outcome"]


def test_a_coroutine_is_cancelled_where_it_waits(guard):
    cleaned = []

    async def endless(amount):
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(amount)

    async def main():
        halting = halt_in(guard, 0.05)
        other = asyncio.create_task(asyncio.sleep(0.2, "goes on"))
        with pytest.raises(ToolHalted, match="everything is halted: stop it"):
            await tool(guard, endless)(1)
        halting.join()
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0.01)  # the task that was cancelled can wait again
        return await other

    assert asyncio.run(asyncio.wait_for(main(), 5)) == "goes on"
    assert cleaned == [1]
    assert outcomes(guard) == ["halted"]


def test_only_what_the_halt_covers(guard):
    async def wait(amount):
        await asyncio.sleep(amount)
        return amount

    async def main():
        halting = halt_in(guard, 0.05, "agent:one")
        with guard.acting_as(agent_id="one"):
            first = asyncio.create_task(tool(guard, wait)(60))
            await asyncio.sleep(0)
        with guard.acting_as(agent_id="two"):
            second = asyncio.create_task(tool(guard, wait)(0.3))
        results = await asyncio.gather(first, second, return_exceptions=True)
        halting.join()
        return results

    first, second = asyncio.run(main())
    assert isinstance(first, ToolHalted)
    assert second == 0.3


def test_a_caller_that_cancels_is_cancelled(guard):
    async def endless(amount):
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(tool(guard, endless)(1))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert outcomes(guard) == ["raised"]


def test_a_coroutine_that_ends_before_it_is_stopped_has_returned(guard):
    async def quick(amount):
        guard.halt(reason="x", by="ops")
        return amount

    async def main():
        result = await tool(guard, quick)(1)
        await asyncio.sleep(0.02)  # nothing is left that would cancel us
        return result

    assert asyncio.run(main()) == 1
    assert outcomes(guard) == ["returned"]


def test_a_generator_lets_no_item_go_any_more(guard):
    closed = []

    def numbers(amount):
        try:
            yield from range(amount)
        finally:
            closed.append(True)

    stream = tool(guard, numbers)(100)
    assert [next(stream), next(stream)] == [0, 1]
    guard.halt(reason="stop it", by="ops")
    with pytest.raises(ToolHalted, match="stop it"):
        next(stream)
    assert closed == [True]
    assert list(stream) == []
    assert outcomes(guard) == ["halted"]


def test_an_item_that_was_made_when_it_was_halted_stays(guard):
    def numbers(amount):
        yield 0
        guard.halt(reason="stop it", by="ops")
        yield 1

    seen = []
    with pytest.raises(ToolHalted):
        seen.extend(tool(guard, numbers)(1))
    assert seen in ([], [0])
    assert 1 not in seen


def test_an_async_generator_that_waits_is_closed(guard):
    closed = []

    async def numbers(amount):
        try:
            yield 0
            await asyncio.sleep(60)
            yield 1
        finally:
            closed.append(True)

    async def main():
        halting = halt_in(guard, 0.05)
        stream = tool(guard, numbers)(1)
        first = await anext(stream)
        with pytest.raises(ToolHalted):
            await anext(stream)
        halting.join()
        await asyncio.sleep(0.01)
        return first

    assert asyncio.run(asyncio.wait_for(main(), 5)) == 0
    assert closed == [True]
    assert outcomes(guard) == ["halted"]


def test_who_consumes_an_async_generator_is_not_cancelled_between_two_items(guard):
    async def numbers(amount):
        for number in range(amount):
            yield number

    async def main():
        await anext(tool(guard, numbers)(3))
        guard.halt(reason="x", by="ops")
        await asyncio.sleep(0.05)
        return "not cancelled"

    assert asyncio.run(main()) == "not cancelled"


def test_a_function_that_waits_for_a_socket_registers_how_it_is_ended(guard):
    ours, theirs = socket.socketpair()

    def receive(amount):
        on_halt(lambda: ours.shutdown(socket.SHUT_RDWR))
        data = ours.recv(10)
        if not data:
            raise ConnectionResetError
        return data

    halting = halt_in(guard, 0.05)
    with pytest.raises(ToolHalted, match="stop it") as halted:
        tool(guard, receive)(1)
    halting.join()
    assert halted.value.decision.allowed, "it was allowed when it began"
    assert outcomes(guard) == ["halted"]
    ours.close()
    theirs.close()


def test_one_that_fails_or_hangs_holds_up_no_other(guard):
    called, release = [], threading.Event()

    def wait(amount):
        on_halt(lambda: 1 / 0)
        on_halt(lambda: release.wait(10))
        on_halt(lambda: (called.append(amount), release.set()))
        release.wait(10)
        raise InterruptedError

    halting = halt_in(guard, 0.05)
    with pytest.raises(ToolHalted):
        tool(guard, wait)(1)
    halting.join()
    assert called == [1]


def test_what_is_registered_ends_with_the_call(guard):
    called = []

    def quick(amount):
        on_halt(lambda: called.append(amount))
        return amount

    assert tool(guard, quick)(1) == 1
    guard.halt(reason="x", by="ops")
    time.sleep(0.05)
    assert called == []
    with pytest.raises(RuntimeError, match="inside of a guarded tool"):
        on_halt(lambda: None)


def test_on_halt_inside_generators(guard):
    called = threading.Event()

    def numbers(amount):
        on_halt(called.set)
        yield 0
        with contextlib.suppress(RuntimeError):
            yield 1

    stream = tool(guard, numbers)(1)
    assert next(stream) == 0
    guard.halt(reason="x", by="ops")
    assert called.wait(5)
    with pytest.raises(ToolHalted):
        next(stream)


@pytest.mark.parametrize("level", ["warn", "quarantine", "block"])
def test_other_levels_stop_nothing_that_runs(guard, level):
    def numbers(amount):
        yield from range(amount)

    stream = tool(guard, numbers)(3)
    assert next(stream) == 0
    guard.halt(reason="x", by="ops", level=level)
    assert list(stream) == [1, 2]


def test_a_store_that_cannot_be_asked_stops_nothing_that_runs(guard, monkeypatch):
    def numbers(amount):
        yield from range(amount)

    stream = tool(guard, numbers)(3)
    assert next(stream) == 0
    guard.halt(reason="x", by="ops")
    monkeypatch.setattr(guard._halts, "over", lambda _: (_ for _ in ()).throw(StoreError("gone")))
    assert next(stream) == 1
    monkeypatch.undo()
    with pytest.raises(ToolHalted):
        next(stream)


def test_nobody_looks_when_nothing_runs(guard, monkeypatch):
    monkeypatch.setattr("toolguard.running.IDLE", 0.05)

    async def quick(amount):
        await asyncio.sleep(0.01)

    for _ in range(2):
        asyncio.run(tool(guard, quick)(1))
        watching = guard._running._thread
        watching.join(5)
        assert not watching.is_alive()
