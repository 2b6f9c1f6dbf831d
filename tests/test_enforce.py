from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import typing

import pytest
from conftest import leaf, policy, rule
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Guard, ToolDenied, guarded

EVERY_TOOL = {"scope": {}}
CAP = policy([rule(leaf("amount", "gt", 500), rule_id="cap")], **EVERY_TOOL)


class Money(typing.NamedTuple):
    """A name that only this module knows."""

    amount: int


@pytest.fixture
def capped(guard):
    return guard(CAP)


def seen_by_rules(guard, monkeypatch):
    """The parameters of every call that is judged."""
    seen = []
    evaluate = guard.evaluate
    monkeypatch.setattr(guard, "evaluate", lambda tool, params, **kw: seen.append(params) or evaluate(tool, params, **kw))
    return seen


def everything(a, /, amount, b=2, *rest, c, d=4, **extra):
    return a, amount, b, rest, c, d, extra


SPELLINGS = [
    ((1, 1000), {"c": 3}, {"a": 1, "amount": 1000, "b": 2, "rest": [], "c": 3, "d": 4}),
    ((1,), {"amount": 1000, "c": 3}, {"a": 1, "amount": 1000, "b": 2, "rest": [], "c": 3, "d": 4}),
    ((1, 1000, 5, 6, 7), {"c": 3, "d": 8, "e": 9}, {"a": 1, "amount": 1000, "b": 5, "rest": [6, 7], "c": 3, "d": 8, "e": 9}),
]


@pytest.mark.parametrize(("args", "kwargs", "params"), SPELLINGS)
def test_rules_see_every_argument_under_its_own_name(capped, monkeypatch, args, kwargs, params):
    seen = seen_by_rules(capped, monkeypatch)
    tool = guarded(capped)(everything)
    with pytest.raises(ToolDenied, match="`cap`"):
        tool(*args, **kwargs)
    assert seen == [params]
    small = tuple(5 if arg == 1000 else arg for arg in args), {k: 5 if v == 1000 else v for k, v in kwargs.items()}
    assert tool(*small[0], **small[1]) == everything(*small[0], **small[1])


@given(st.data())
def test_binding_agrees_with_pythons_own(data):
    args = data.draw(st.lists(st.integers(), max_size=6))
    kwargs = data.draw(st.dictionaries(st.sampled_from("abcde") | st.just("amount"), st.integers(), max_size=5))
    guard = Guard(policy([rule(leaf("nothing", "exists"))], **EVERY_TOOL), ledger=":memory:")
    try:
        expected = everything(*args, **kwargs)
    except TypeError:
        expected = None
    if expected is None or "a" in kwargs:
        with pytest.raises(ToolDenied, match="malformed call"):
            guarded(guard)(everything)(*args, **kwargs)
    else:
        assert guarded(guard)(everything)(*args, **kwargs) == expected


def test_an_extra_keyword_cannot_hide_behind_a_declared_name(capped):
    ran = []

    @guarded(capped)
    def pay(amount, /, **extra):
        ran.append((amount, extra))

    with pytest.raises(ToolDenied, match="`amount` is given twice"):
        pay(5000, amount=1)
    pay(5, note="x")
    assert ran == [(5, {"note": "x"})]


def test_arguments_that_do_not_fit_are_a_recorded_refusal(capped):
    tool = guarded(capped)(everything)
    with pytest.raises(ToolDenied, match="everything\\(\\) missing 1 required keyword-only argument: 'c'"):
        tool(1, 5)
    assert list(capped.store.scan())[-1].content["verdict"] == "deny"


def test_defaults_are_judged(capped):
    @guarded(capped)
    def pay(to, amount=900):
        return to, amount

    with pytest.raises(ToolDenied, match="`cap`"):
        pay("x")


def test_what_was_judged_is_what_the_tool_gets(guard):
    """The approver, a thread or a later layer changes the caller's objects after the decision; the tool does not see it."""
    order = {"amount": 5, "lines": [1]}

    def approve(decision):
        order["amount"] = 9999
        order["lines"].append(9999)
        decision.call.params["order"]["lines"].append(7777)
        return True

    asking = guard(policy([rule(leaf("parameters.order.amount", "gt", 1), "escalate")], **EVERY_TOOL), approver=approve)

    @guarded(asking)
    def pay(order):
        return order

    assert pay(order) == {"amount": 5, "lines": [1]}
    assert order["amount"] == 9999


def test_objects_that_lie_about_themselves_are_refused(capped):
    class Chameleon:
        def __init__(self):
            self.reads = 0

        def __float__(self):
            return 1.0

        def __gt__(self, other):
            self.reads += 1
            return self.reads > 1

    class Amount(dict):
        def items(self):
            return {"amount": 1}.items()

    for value in (Chameleon(), Amount(amount=9999)):
        with pytest.raises(ToolDenied, match="not plain data"):
            guarded(capped)(lambda amount: amount)(value)


def test_injected_arguments_are_neither_judged_nor_copied(capped, monkeypatch):
    seen = seen_by_rules(capped, monkeypatch)
    connection = object()

    @guarded(capped, injected=["db"])
    def pay(amount, db):
        return db

    assert pay(5, connection) is connection
    assert pay(db=connection, amount=5) is connection
    assert seen == [{"amount": 5}, {"amount": 5}]
    with pytest.raises(TypeError, match="no parameter `dbb` to inject"):
        guarded(capped, injected=["dbb"])(lambda db: db)


class Desk:
    def __init__(self, guard):
        self.paid = 0
        self.pay = guarded(guard, tool="pay")(self.pay_plain)

    def pay_plain(self, amount):
        self.paid += amount
        return self.paid


def test_methods_of_every_kind(capped):
    class Till:
        @guarded(capped)
        def method(self, amount):
            return self, amount

        @guarded(capped)
        @classmethod
        def class_method(cls, amount):
            return cls, amount

        @classmethod
        @guarded(capped)
        def class_method_inside(cls, amount):
            return cls, amount

        @staticmethod
        @guarded(capped)
        def static(amount):
            return amount

        @guarded(capped)
        def __call__(self, amount):
            return amount

    till = Till()
    assert till.method(5) == (till, 5)
    assert Till.class_method(5) == till.class_method(5) == Till.class_method_inside(5) == (Till, 5)
    assert Till.static(5) == till.static(amount=5) == till(5) == 5
    for tool in (till.method, Till.class_method, Till.class_method_inside, Till.static, till):
        with pytest.raises(ToolDenied, match="`cap`"):
            tool(501)
    desk = Desk(capped)
    assert desk.pay(5) == desk.paid == 5


def test_partials_and_callables(capped):
    half = guarded(capped, tool="pay")(functools.partial(everything, 1, c=3))
    assert half(5) == everything(1, 5, c=3)
    with pytest.raises(ToolDenied):
        half(501)
    with pytest.raises(TypeError, match="say `tool="):
        guarded(capped)(functools.partial(everything, 1))


def test_what_cannot_be_guarded_is_named(capped):
    for wrong in (5, "t", None, Desk):
        with pytest.raises(TypeError, match="cannot be guarded"):
            guarded(capped)(wrong)
    with pytest.raises(TypeError, match=r"write `@guarded\(guard\)`"):
        guarded(everything)


def test_the_wrapper_looks_like_the_tool_and_does_not_hand_it_out(capped):
    def pay(amount: int, money: Money | None = None) -> list[Money]:
        """Pay it."""
        return [money or Money(amount)]

    tool = guarded(capped)(pay)
    assert (tool.__name__, tool.__qualname__, tool.__doc__, tool.__module__) == (
        "pay",
        pay.__qualname__,
        "Pay it.",
        pay.__module__,
    )
    assert str(inspect.signature(tool)) == str(inspect.signature(pay, eval_str=True))
    assert typing.get_type_hints(tool) == {"amount": int, "money": Money | None, "return": list[Money]}
    assert not hasattr(tool, "__wrapped__")
    assert inspect.unwrap(tool) is tool
    assert pay not in vars(tool).values()


def test_kinds_are_kept(capped):
    async def coroutine():
        pass

    def generator():
        yield

    async def async_generator():
        yield

    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    for tool, kind in zip((coroutine, generator, async_generator), kinds, strict=True):
        assert [check(guarded(capped)(tool)) for check in kinds] == [check is kind for check in kinds]


def outcomes(guard):
    return [r.content["outcome"] for r in guard.store.scan() if r.content["kind"] == "outcome"]


def test_errors_of_the_tool_pass_through_and_are_recorded(capped):
    class Broken(Exception):
        pass

    raised = Broken("secret in the text")

    @guarded(capped)
    def fails(error, amount=0):
        raise raised if error == "broken" else StopIteration(5)

    with pytest.raises(Broken) as caught:
        fails("broken")
    assert caught.value is raised
    with pytest.raises(StopIteration):
        fails("stop")
    records = [r for r in capped.store.scan() if r.content["kind"] == "outcome"]
    assert [r.content["error"] for r in records] == ["Broken", "StopIteration"]
    assert b"secret" not in b"".join(r.body for r in records)


def test_generators_pass_values_and_errors_both_ways(capped):
    @guarded(capped)
    def echo(amount):
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"
        return "done"

    stream = echo(5)
    assert [next(stream), stream.send("x"), stream.throw(KeyError)] == ["first", "x", "caught"]
    with pytest.raises(StopIteration) as stop:
        next(stream)
    assert stop.value.value == "done"
    abandoned = echo(5)
    next(abandoned)
    abandoned.close()
    assert outcomes(capped) == ["returned", "closed"]
    denied = echo(501)
    with pytest.raises(ToolDenied):
        next(denied)


def test_async_generators_pass_values_and_errors_both_ways(capped):
    closed = []

    @guarded(capped)
    async def echo(amount):
        try:
            got = yield "first"
            try:
                yield got
            except KeyError:
                yield "caught"
        finally:
            closed.append(amount)

    async def run():
        stream = echo(5)
        assert [await anext(stream), await stream.asend("x"), await stream.athrow(KeyError)] == ["first", "x", "caught"]
        assert [item async for item in stream] == []
        abandoned = echo(6)
        await anext(abandoned)
        await abandoned.aclose()
        failing = echo(7)
        await anext(failing)
        with pytest.raises(ValueError, match="boom"):
            await failing.athrow(ValueError("boom"))
        with pytest.raises(ToolDenied):
            await anext(echo(501))

    asyncio.run(run())
    assert closed == [5, 6, 7]
    assert outcomes(capped) == ["returned", "closed", "raised"]


def test_a_cancelled_coroutine_is_recorded_and_stays_cancelled(capped):
    @guarded(capped)
    async def slow(amount):
        running.set()
        await asyncio.sleep(60)

    running = asyncio.Event()

    async def run():
        task = asyncio.create_task(slow(5))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert outcomes(capped) == ["raised"]


def test_deciding_does_not_hold_up_the_event_loop(guard):
    asking = guard(
        policy([rule(leaf("amount", "gt", 1), "escalate")], **EVERY_TOOL), approver=lambda _: released.wait(5) is True
    )

    async def run():
        task = asyncio.create_task(pay(5))
        await asyncio.sleep(0.01)
        released.set()  # reached only if the waiting approver left the loop alone
        return await task

    released = threading.Event()

    @guarded(asking)
    async def pay(amount):
        return amount

    assert asyncio.run(run()) == 5


def test_nested_guarded_calls_are_each_judged(capped):
    @guarded(capped)
    def inner(amount):
        return amount

    @guarded(capped)
    def outer(amount):
        return inner(amount * 10)

    assert outer(5) == 50
    with pytest.raises(ToolDenied):
        outer(51)
    assert outcomes(capped) == ["returned", "returned", "raised"]
