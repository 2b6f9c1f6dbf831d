"""Limits: nothing is spent twice, nothing past the end, and the record says how each of them stood."""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from conftest import Clock, opened
from hypothesis import given
from hypothesis import strategies as st

from toolguard import ApprovalUnavailable, Guard, StoreError, ToolDenied, Verdict, guarded, verify
from toolguard.audit.archive import archive
from toolguard.cli import main
from toolguard.model import Outcome
from toolguard.running import spent as spent_inside
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore

HOUR = 3600 * 10**9


def policies(limits, rules=(), policy_id="p", **others):
    return {"policy_id": policy_id, "scope": {"tool_names": ["pay"]}, "limits": limits, "rules": list(rules), **others}


def limit(limit_id="day", **others):
    return {"limit_id": limit_id, "max": 100, "window": "24h", "sum": "parameters.amount", **others}


def spent(guard, *amounts, **who):
    return [guard.evaluate("pay", {"amount": amount}, **who).verdict.word for amount in amounts]


def test_nothing_past_the_end(make):
    guard = make(policies([limit()]))
    assert spent(guard, 60, 41, 40, "0.01", 0) == ["allow", "deny", "allow", "deny", "allow"]
    (use,) = guard.evaluate("pay", {"amount": 1}).limits
    assert (use.before, use.amount, use.after, use.max, use.counted) == ("100", "1", "100", "100", False)


def test_money_is_exact(make):
    guard = make(policies([limit(max=0.3)]))
    assert spent(guard, 0.1, "0.1", Decimal("0.1"), "0.0000000001") == ["allow", "allow", "allow", "deny"]


@pytest.mark.parametrize("amount", ["x", "", None, True, [], {}, -5, "-0.01", "NaN", "1e400", "9" * 40, "0." + "1" * 40])
def test_an_amount_that_is_none_is_not_let_through(make, amount):
    guard = make(policies([limit()]))
    decision = guard.evaluate("pay", {"amount": amount})
    assert decision.verdict == Verdict.DENY
    assert "so limit `day` cannot be evaluated" in decision.reason
    assert spent(guard, 100) == ["allow"]


def test_a_missing_amount_is_not_let_through(make):
    decision = make(policies([limit()])).evaluate("pay", {})
    assert decision.reason == "`parameters.amount` is missing, so limit `day` cannot be evaluated"


def test_calls_are_counted_where_nothing_is_summed(make):
    guard = make(policies([limit(sum=None, max=2)]))
    assert spent(guard, 1, "what", 5) == ["allow", "allow", "deny"]


def test_each_key_has_its_own_and_all_without_one_share(make):
    guard = make(policies([limit(per=["agent_id", "context.team"])]))
    assert spent(guard, 100, 1, agent_id="a") == ["allow", "deny"]
    assert spent(guard, 100, 1, agent_id="b") == ["allow", "deny"]
    assert spent(guard, 100, 1, agent_id="b", context={"team": "x"}) == ["allow", "deny"]
    assert spent(guard, 100, 1) == ["allow", "deny"]
    assert spent(guard, 1, agent_id="a ", context={"team": ["x"]}) == ["deny"]
    decision = guard.evaluate("pay", {"amount": 1}, context={"team": ["x"]})
    assert "`context.team` is a list, which no limit can count by" in decision.reason


def test_keys_that_look_alike_are_told_apart(make):
    guard = make(policies([limit(per=["agent_id", "context.team"])]))
    assert spent(guard, 100, context={"team": "1"}, agent_id="a") == ["allow"]
    assert spent(guard, 100, context={"team": 1}, agent_id="a") == ["allow"]
    assert spent(guard, 100, context={"team": '1"],["a'}, agent_id="a") == ["allow"]


def test_all_or_nothing(make):
    guard = make(policies([limit("small", max=10), limit("large", max=1000), limit("calls", sum=None, max=3)]))
    assert spent(guard, 50, 10, 1) == ["deny", "allow", "deny"]
    stood = {use.limit_id: use.before for use in guard.evaluate("pay", {"amount": 500}).limits}
    assert stood == {"small": "10", "large": "10", "calls": "1"}


def test_a_call_that_a_rule_denies_uses_nothing(make):
    rule = {"rule_id": "r", "effect": "deny", "conditions": {"field": "parameters.to", "operator": "eq", "value": "x"}}
    guard = make(policies([limit()], [rule]))
    assert guard.evaluate("pay", {"amount": 100, "to": "x"}).verdict == Verdict.DENY
    assert guard.evaluate("pay", {"amount": 100, "to": "y"}).verdict == Verdict.ALLOW


def test_thresholds_come_before(make):
    levels = [{"at": "50%"}, {"at": "80%", "effect": "escalate"}, {"at": "95%", "effect": "deny"}]
    guard = make(policies([limit(thresholds=levels)]))
    assert spent(guard, 40, 10, 29, 1) == ["allow", "flag", "flag", "escalate"]
    decision = guard.evaluate("pay", {"amount": 20})
    assert (decision.verdict, decision.primary.detail) == (
        Verdict.DENY,
        "79 of 100 used (24h), and 20 more reach 95% of it",
    )


def test_what_is_flagged_counts_all_the_same(make):
    guard = make(policies([limit(effect="flag")]))
    assert spent(guard, 90, 90) == ["allow", "flag"]
    assert guard.evaluate("pay", {"amount": 0}).limits[0].before == "180"


def test_a_shadow_limit_counts_and_changes_nothing(make):
    shadow = policies([limit()], policy_id="s", mode="shadow")
    guard = make([shadow, policies([limit("large", max=1000)])])
    assert spent(guard, 90, 90) == ["allow", "allow"]
    decision = guard.evaluate("pay", {"amount": 1})
    assert (decision.verdict, [hit.rule_id for hit in decision.shadow_hits]) == (Verdict.ALLOW, ["day"])


def test_a_window_slides(make):
    clock = Clock()
    guard = make(policies([limit(window="1h")]), now=clock)
    assert spent(guard, 60) == ["allow"]
    clock.now += HOUR // 2
    assert spent(guard, 60, 40) == ["deny", "allow"]
    clock.now += HOUR // 2
    assert spent(guard, 61, 60) == ["deny", "allow"]


def test_setting_the_clock_back_frees_nothing(make):
    clock = Clock()
    guard = make(policies([limit(window="1h")]), now=clock)
    assert spent(guard, 100) == ["allow"]
    for back in (1, HOUR, 10**6 * HOUR):
        clock.now -= back
        assert spent(guard, 1) == ["deny"]


def test_it_survives_a_restart_and_another_max(make):
    guard = make(policies([limit()]))
    assert spent(guard, 90) == ["allow"]
    assert spent(make(policies([limit(max=95)])), 6, 5) == ["deny", "allow"]
    assert spent(make(policies([limit(max=96)])), 2, 1) == ["deny", "allow"]


CAP = {"rule_id": "r", "effect": "deny", "conditions": {"field": "limits.day.used", "operator": "gte", "value": 50}}
LEFT = {"rule_id": "s", "effect": "flag", "conditions": {"field": "limits.day.remaining", "operator": "lt", "value": 60}}
SHARE = {"rule_id": "t", "effect": "escalate", "conditions": {"field": "limits.day.ratio", "operator": "gte", "value": 0.45}}


def test_rules_ask_how_a_limit_stands(make):
    guard = make(policies([limit()], [CAP, LEFT, SHARE]))
    assert spent(guard, 40, 1, 4, 0) == ["allow", "allow", "flag", "escalate"]
    assert spent(make(policies([limit()], [CAP])), 5, 1) == ["allow", "deny"]


def test_a_rule_that_asks_is_not_fooled_by_calls_at_the_same_time(make):
    guard = make(policies([limit(max=10**9)], [CAP]))
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: spent(guard, 1)[0], range(200)))
    assert verdicts.count("allow") == 50


@pytest.mark.parametrize("durability", ["durable", "process", "async"])
def test_threads_and_coroutines_never_overspend(tmp_path, durability):
    with Guard(policies([limit()]), ledger=tmp_path / "l.db", durability=durability) as guard:
        pay = guarded(guard, tool="pay")(lambda amount: amount)

        def try_it(_):
            try:
                return pay(7)
            except ToolDenied:
                return 0

        async def coroutines():
            judged = await asyncio.gather(*(guard.evaluate_async("pay", {"amount": 7}) for _ in range(30)))
            return sum(7 for decision in judged if decision.allowed)

        with ThreadPoolExecutor(9) as pool:
            others = pool.submit(lambda: asyncio.run(coroutines()))
            total = sum(pool.map(try_it, range(60))) + others.result()
    assert total == 98
    assert verify(tmp_path / "l.db").intact


def test_a_person_lets_it_go_on_past_what_escalates_and_not_past_what_denies(make):
    small, large = limit("small", max=10, effect="escalate"), limit("large", max=100)
    guard = make(policies([small, large]), approver=lambda _: True)
    pay = guarded(guard, tool="pay")(lambda amount: amount)
    assert [pay(8), pay(50)] == [8, 50]
    with pytest.raises(ToolDenied, match="limit `large`: 58 of 100 used"):
        pay(43)
    stood = {use.limit_id: use.before for use in guard.evaluate("pay", {"amount": 0}).limits}
    assert stood == {"small": "58", "large": "58"}


def test_what_was_used_up_while_a_person_thought_denies(make):
    guard = None

    def approver(decision):
        assert not decision.limits[0].counted
        assert guard.evaluate("pay", {"amount": 5, "ask": "no"}).allowed
        return True

    ask = {"rule_id": "a", "effect": "escalate", "conditions": {"field": "parameters.ask", "operator": "eq", "value": "yes"}}
    guard = make(policies([limit(max=10)], [ask]), approver=approver)
    ran = []
    pay = guarded(guard, tool="pay")(lambda amount, ask: ran.append(amount))
    pay(5, "yes")
    with pytest.raises(ToolDenied, match="limit `day`: 10 of 10 used"):
        pay(5, "yes") if spent(guard, 0) else None
    assert ran == [5]


def test_who_is_not_approved_uses_nothing(make):
    guard = make(policies([limit(max=10, effect="escalate")]))
    pay = guarded(guard, tool="pay")(lambda amount: amount)
    with pytest.raises(ApprovalUnavailable):
        pay(50)
    assert spent(guard, 10) == ["allow"]


def test_a_tool_may_say_that_it_used_less_or_more(make):
    guard = make(policies([limit()]))
    decision = guard.evaluate("pay", {"amount": 60})
    guard.settle(decision, Outcome("returned", 5, spent={"day": "20.5"}))
    assert guard.evaluate("pay", {"amount": 0}).limits[0].before == "20.5"
    decision = guard.evaluate("pay", {"amount": 70})
    guard.settle(decision, Outcome("returned", 5, spent={"day": 100}))
    assert guard.evaluate("pay", {"amount": 0}).limits[0].before == "120.5"
    assert spent(guard, "0.5") == ["deny"]
    (outcome, *_) = [record.content for record in guard.store.scan() if record.content["kind"] == "outcome"]
    assert outcome["limits"] == [{"limit_id": "day", "reserved": "60", "used": "20.5", "after": "20.5"}]


@pytest.mark.parametrize("awaited", [False, True])
def test_a_guarded_tool_may_say_it_from_inside(make, awaited):
    guard = make(policies([limit()]))

    def pay(amount, real):
        spent_inside("day", real)
        return amount

    async def pay_async(amount, real):
        return pay(amount, real)

    def call(amount, real):
        return (
            asyncio.run(guarded(guard, tool="pay")(pay_async)(amount, real)) if awaited else guarded(guard)(pay)(amount, real)
        )

    assert call(60, "20.5") == 60
    assert guard.evaluate("pay", {"amount": 0}).limits[0].before == "20.5"
    for limit_id, real in (("other", 5), ("day", -1), ("day", "x"), ("day", None)):
        with pytest.raises(ValueError, match=limit_id):
            guarded(guard, tool="pay")(lambda amount, limit_id, real: spent_inside(limit_id, real))(1, limit_id, real)
    with pytest.raises(RuntimeError, match="inside of a guarded tool"):
        spent_inside("day", 5)


def test_how_limits_stand_is_shown(tmp_path, capsys):
    path, written = tmp_path / "l.db", tmp_path / "p.yaml"
    written.write_text(json.dumps(policies([limit(per=["agent_id"]), limit("calls", sum=None, max=5, window="lifetime")])))
    with Guard(written, ledger=path) as guard:
        assert main(["status", str(path), "--policy", str(written)]) == 0
        assert "nothing of any limit is used" in capsys.readouterr().out
        spent(guard, 20, "0.5", agent_id="bot")
    assert main(["status", str(path), "--policy", str(written)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "nothing is halted",
        'limit `day`: 20.5 of 100 used (24h) by ["bot"]',
        "limit `calls`: 2 of 5 used (lifetime)",
    ]
    assert main(["status", str(path), "--policy", str(written), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["limits"][0]["used"] == "20.5"


@pytest.mark.parametrize("wrong", [{"day": -5}, {"day": "x"}, {"day": None}, {"other": 5}])
def test_what_it_says_wrongly_frees_nothing(make, wrong, caplog):
    guard = make(policies([limit()]))
    guard.settle(guard.evaluate("pay", {"amount": 60}), Outcome("returned", 5, spent=wrong))
    assert guard.evaluate("pay", {"amount": 0}).limits[0].before == "60"
    assert "could not be recorded" in caplog.text


def test_what_is_warned_about_counts(make):
    guard = make(policies([limit()]))
    guard.halt("tool:pay", reason="x", by="ops", level="warn")
    assert spent(guard, 100, 1) == ["flag", "deny"]


def test_what_is_halted_uses_nothing(make):
    guard = make(policies([limit()]))
    guard.halt("tool:pay", reason="x", by="ops")
    assert spent(guard, 100) == ["deny"]
    guard.resume("tool:pay", reason="x", by="ops")
    assert spent(guard, 100) == ["allow"]


def test_a_counter_that_cannot_be_read_denies(tmp_path):
    with Guard(policies([limit()]), ledger=tmp_path / "l.db") as guard:
        assert spent(guard, 1) == ["allow"]
        with opened(tmp_path / "l.db") as database:
            database.execute("UPDATE state SET body = x'00'")
        decision = guard.evaluate("pay", {"amount": 1})
        assert (decision.verdict, decision.record) == (Verdict.DENY, None)
        assert "a counter of the ledger cannot be read" in decision.reason


def test_a_record_that_cannot_be_written_uses_nothing(make):
    guard = make(policies([limit()]))
    real = guard.store.transact
    guard.store.transact = lambda change, durable: real(lambda *given: [change(*given), 1 / 0], durable=durable)
    assert spent(guard, 100) == ["deny"]
    guard.store.transact = real
    assert spent(guard, 100) == ["allow"]


def test_the_record_says_how_it_stood(make):
    guard = make(policies([limit(per=["agent_id"])]))
    spent(guard, 60, 41, agent_id="bot")
    first, second = [record.content for record in guard.store.scan() if record.content["kind"] == "decision"]
    (use,) = first["limits"]
    assert {key: use[key] for key in ("limit_id", "key", "amount", "before", "after", "max", "window", "counted")} == {
        "limit_id": "day",
        "key": ["bot"],
        "amount": "60",
        "before": "0",
        "after": "60",
        "max": "100",
        "window": "24h",
        "counted": True,
    }
    assert [json.loads(key)[-1] for key in first["state"]] == [["bot"]]
    assert ("state" in second, second["limits"][0]["counted"], second["hits"][0]["limit"]) == (False, False, True)


AMOUNTS = st.lists(st.one_of(st.integers(0, 60), st.decimals(0, 60, places=2).map(str), st.just("bad")), max_size=30)


@given(AMOUNTS, st.sampled_from(["1h", "day", "lifetime"]))
def test_whatever_comes_no_more_than_max_is_let_through(amounts, window):
    clock = Clock()
    with Guard(policies([limit(window=window)]), ledger=MemoryStore(), now=clock) as guard:
        total = Decimal(0)
        for amount in amounts:
            clock.now += 10**9
            decision = guard.evaluate("pay", {"amount": amount})
            fits = amount != "bad" and total + Decimal(str(amount)) <= 100
            assert decision.allowed is fits
            total += Decimal(str(amount)) if fits else 0
            if fits:
                assert Decimal(decision.limits[0].after) == total


def test_the_model_cannot_reach_the_counters(make):
    """Not with a parameter of the same name, nor with a context that only looks like the guard's."""
    guard = make(policies([limit()], [CAP]))
    assert spent(guard, 50) == ["allow"]
    tricks = {"amount": 1, "limits": {"day": {"used": 0}}, "limits.day.used": 0}
    assert guard.evaluate("pay", tricks, context={"limits": {"day": {"used": 0}}}).verdict == Verdict.DENY


def test_it_can_be_explained(make):
    guard = make(policies([limit(per=["agent_id"])]))
    spent(guard, 60, agent_id="bot")
    text = str(guard.evaluate("pay", {"amount": 41}, agent_id="bot").explain())
    assert '- limit `day` of policy `p`: 60 of 100 used (24h) by ["bot"], 41 more: not counted' in text


def test_a_refused_call_is_told_to_the_model_without_the_key(make):
    guard = make(policies([limit(per=["session_id"])]))
    told = guard.evaluate("pay", {"amount": 101}, session_id="s-secret").message_for_model()
    assert "limit `day`: 0 of 100 used (24h), and 101 more would exceed it" in told
    assert "s-secret" not in told


def test_without_limits_nothing_is_written(make):
    rule = {"rule_id": "r", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 5}}
    guard = make(policies([], [rule]))
    assert spent(guard, 1, 9) == ["allow", "deny"]
    assert guard.store.state() == {}
    assert all("limits" not in json.loads(record.body) for record in guard.store.scan())


def test_closed_is_closed(make):
    guard = make(policies([limit()]))
    guard.close()
    assert "closed" in guard.evaluate("pay", {"amount": 1}).reason
    with pytest.raises(StoreError):
        guard.store.transact(lambda *_: None)


HARMS = [
    "DELETE FROM state",
    "DELETE FROM state WHERE key LIKE '%b1%'",
    """UPDATE state SET body = CAST('{"latest":0,"entries":[]}' AS BLOB)""",
    "UPDATE state SET key = key || ' '",
    "INSERT INTO state VALUES ('[\"limit\"]', x'00')",
]


@pytest.fixture
def counted(tmp_path):
    path = tmp_path / "l.db"
    with Guard(policies([limit(per=["agent_id"]), limit("calls", sum=None)]), ledger=path) as guard:
        for number in range(6):
            spent(guard, 20, agent_id=f"b{number % 2}")
    return path


@pytest.mark.parametrize("harm", HARMS)
def test_a_counter_that_somebody_changed_shows(counted, harm):
    assert verify(counted).intact
    with opened(counted) as database:
        database.execute(harm)
    report = verify(counted)
    assert (report.finding.kind, report.trusted) == ("altered", 9)
    assert "counter" in report.finding.message


def test_a_counter_of_before_that_was_put_back_shows(counted):
    with opened(counted) as database:
        before = database.execute("SELECT key, body FROM state").fetchall()
    with Guard(policies([limit(per=["agent_id"])]), ledger=counted) as guard:
        spent(guard, 20, agent_id="b0")
    assert verify(counted).intact
    with opened(counted) as database:
        database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", before)
    assert "is not what the records say" in verify(counted).finding.message


def test_counters_go_on_behind_an_archive(counted, tmp_path):
    store = SqliteStore(counted)
    archive(store, tmp_path / "a.jsonl", lambda: 10**18, "ops", "x")
    store.close()
    given = policies([limit(per=["agent_id"]), limit("calls", sum=None)])
    with Guard(given, ledger=counted) as guard:
        assert spent(guard, 41, 40, agent_id="b0") == ["deny", "allow"]
    assert verify(counted).intact
    assert verify(counted, archives=[tmp_path / "a.jsonl"]).intact
    with opened(counted) as database:
        database.execute("DELETE FROM state WHERE key LIKE '%b1%'")
    assert not verify(counted, archives=[tmp_path / "a.jsonl"]).intact  # its records are in the archive
    with opened(counted) as database:
        database.execute("DELETE FROM state")
    assert not verify(counted).intact


def test_a_rate_of_the_guard_itself(make):
    clock = Clock()
    allowing = {
        "policy_id": "p",
        "rules": [{"rule_id": "r", "effect": "allow", "conditions": {"field": "a", "operator": "exists"}}],
    }
    guard = make(allowing, rate="3/1m", now=clock)
    words = [guard.evaluate(tool, {}, agent_id="bot").verdict.word for tool in ("x", "y", "x", "z")]
    assert words == ["allow", "allow", "allow", "deny"]
    assert guard.evaluate("x", {}, agent_id="other").allowed
    assert "limit `rate`: 3 of 3 used (1m), and 1 more would exceed it" in guard.evaluate("x", {}, agent_id="bot").reason
    clock.now += 60 * 10**9
    assert guard.evaluate("x", {}, agent_id="bot").allowed


def test_a_rate_covers_no_tool(make):
    guard = make((), rate="3/1m")
    assert guard.evaluate("x", {}).reason.startswith("no policy is loaded")


@pytest.mark.parametrize("rate", ["", "60", "x/1m", "-1/1m", "1.5/1m", "60/", "60/1w", "60 / 1m"])
def test_what_is_no_rate(rate):
    with pytest.raises(ValueError, match=r"is no (rate|window)"):
        Guard((), ledger=":memory:", rate=rate)


# -- denials, and halts that limits put in force -----------------------------------------------------------------------

SOME = {"rule_id": "r", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 50}}


def denials(**others):
    return limit("denials", counts="denials", sum=None, max=3, window="1h", per=["agent_id"], **others)


def test_after_so_many_denials_everything_is_denied_until_the_window_has_passed(make):
    clock = Clock()
    guard = make(policies([denials()], [SOME]), now=clock)
    assert spent(guard, 99, 1, 99, 1, 99, agent_id="bot") == ["deny", "allow", "deny", "allow", "deny"]
    decision = guard.evaluate("pay", {"amount": 1}, agent_id="bot")
    assert decision.reason == "limit `denials`: 3 of 3 denials (1h)"
    assert spent(guard, 1, agent_id="other") == ["allow"]
    clock.now += HOUR - 1
    assert spent(guard, 1, 1, 1, agent_id="bot") == ["deny"] * 3
    clock.now += 1
    assert spent(guard, 1, agent_id="bot") == ["allow"], "what it denied itself does not keep it up"


def test_denials_of_a_limit_count_as_well(make):
    guard = make(policies([limit(max=10), denials()]))
    assert spent(guard, 11, 12, 13, 1) == ["deny"] * 4
    assert "denials" in guard.evaluate("pay", {"amount": 1}).reason


@pytest.mark.parametrize(
    ("scope", "halted"),
    [
        ("agent", "agent:bot"),
        ("session", "session:s"),
        ("org", "tool:pay"),
        ("tool", "tool:pay"),
        ("global", "global"),
    ],
)
def test_too_many_denials_halt(make, scope, halted):
    guard = make(policies([denials(halt={"level": "halt", "scope": scope})], [SOME]))
    who = {"agent_id": "bot", "session_id": "s"}
    assert spent(guard, 99, 99, **who) == ["deny", "deny"]
    assert guard.halts() == ()
    assert spent(guard, 99, **who) == ["deny"]
    (halt,) = guard.halts()
    assert (halt.scope, halt.level, halt.by) == (halted, "halt", "limit `denials`")
    assert halt.reason == "limit `denials`: 3 of 3 (1h)"
    assert guard.evaluate("pay", {"amount": 1}, **who).halted
    guard.resume(halted, reason="looked into", by="ops")
    assert not guard.evaluate("pay", {"amount": 1}, **who).halted


def test_a_limit_that_is_exceeded_puts_the_agent_in_quarantine_once(make):
    guard = make(policies([limit(per=["agent_id"], halt={"level": "quarantine"})]))
    assert spent(guard, 100, agent_id="bot") == ["allow"]
    assert spent(guard, 1, 0, 5, agent_id="bot") == ["deny", "escalate", "deny"]
    assert [(halt.scope, halt.level) for halt in guard.halts()] == [("agent:bot", "quarantine")]
    assert kinds(guard).count("halt") == 1
    assert spent(guard, 100, agent_id="other") == ["allow"]


def test_a_weaker_halt_does_not_take_the_place_of_a_stricter_one(make):
    guard = make(policies([limit(halt={"level": "warn", "scope": "tool"})]))
    guard.halt("tool:pay", reason="x", by="ops", level="quarantine")
    assert spent(guard, 101) == ["deny"]
    assert [halt.level for halt in guard.halts()] == ["quarantine"]


def test_a_shadow_limit_halts_nothing(make):
    guard = make(policies([limit(halt={"level": "halt", "scope": "global"})], policy_id="s", mode="shadow"), unmatched="allow")
    assert spent(guard, 101, 101) == ["allow", "allow"]
    assert guard.halts() == ()


def test_what_is_throttled_gets_six_calls_a_minute(make):
    clock = Clock()
    guard = make(policies([], [SOME]), now=clock)
    guard.halt("agent:bot", reason="too fast", by="ops", level="throttle")
    assert spent(guard, *[1] * 8, agent_id="bot") == ["flag"] * 6 + ["deny"] * 2
    assert guard.evaluate("pay", {"amount": 1}, agent_id="bot").reason.startswith("limit `throttle`: 6 of 6 used (1m)")
    assert spent(guard, 1, agent_id="other") == ["allow"]
    clock.now += 60 * 10**9
    assert spent(guard, 1, agent_id="bot") == ["flag"]
    guard.resume("agent:bot", reason="x", by="ops")
    assert spent(guard, *[1] * 8, agent_id="bot") == ["allow"] * 8


def kinds(guard):
    return [record.content["kind"] for record in guard.store.scan()]


# -- leases ------------------------------------------------------------------------------------------------------------


def counter_of(guard):
    return Decimal(json.loads(next(iter(guard.store.state().values())))["total"])


@pytest.mark.parametrize("window", ["lifetime", "day", "1h"])
def test_a_slice_is_taken_once_and_used_up_without_the_counter(make, window):
    guard = make(policies([limit(sum=None, max=1000, lease=50, window=window)]))
    assert spent(guard, *[1] * 51) == ["allow"] * 51
    changed = [record.seq for record in guard.store.scan() if "state" in record.content]
    assert len(changed) == 1, "one record counts the call and fifty to come"
    assert counter_of(guard) == 51
    assert spent(guard, 1) == ["allow"]
    assert counter_of(guard) == 102
    decision = guard.evaluate("pay", {"amount": 1})
    assert (decision.limits[0].before, decision.limits[0].after, decision.limits[0].counted) == ("52", "53", True)


@pytest.mark.parametrize("window", ["lifetime", "day", "1h"])
def test_with_leases_nothing_goes_past_the_end_and_little_is_left(make, window):
    guard = make(policies([limit(max=100, lease=30, window=window)]))
    assert spent(guard, *[7] * 14) == ["allow"] * 14
    assert spent(guard, 7, 2, 1) == ["deny", "allow", "deny"]
    assert counter_of(guard) == 100


def test_what_a_guard_holds_goes_back_when_it_is_closed(make):
    first = make(policies([limit(max=100, lease=20, window="lifetime")]))
    assert spent(first, 5) == ["allow"]
    assert counter_of(first) == 25
    second = make(policies([limit(max=100, lease=20, window="lifetime")]))
    assert spent(second, 76) == ["deny"], "the first one holds twenty"
    if isinstance(first.store, MemoryStore):
        return  # closing one guard closes the memory of both
    first.close()
    assert counter_of(second) == 5
    assert spent(second, 95) == ["allow"]


def test_two_guards_that_lease_never_overspend(tmp_path):
    given = policies([limit(max=500, lease=40, window="lifetime"), limit("calls", sum=None, max=100, lease=10)])
    guards = [Guard(given, ledger=tmp_path / "l.db", durability=kind) for kind in ("async", "durable")]
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda number: spent(guards[number % 2], 7)[0], range(400)))
    for guard in guards:
        guard.close()
    assert 7 * verdicts.count("allow") <= 500
    assert verdicts.count("allow") > 55
    assert verify(tmp_path / "l.db").intact
    with Guard(given, ledger=tmp_path / "l.db") as guard:
        assert counter_of(guard) >= 0
        uses = [use for record in guard.store.scan() for use in record.content.get("limits", ()) if use["counted"]]
        total = sum(Decimal(use["amount"]) for use in uses if use["limit_id"] == "day")
        kept = {json.loads(key)[2]: Decimal(json.loads(body)["total"]) for key, body in guard.store.state().items()}
        assert kept["day"] == total, "what was held went back"


def test_a_slice_of_a_sliding_window_is_not_good_for_long(make):
    clock = Clock()
    guard = make(policies([limit(max=100, lease=50, window="1h")]), now=clock)
    assert spent(guard, 1, 1) == ["allow", "allow"]
    clock.now += HOUR // 64
    assert spent(guard, 1) == ["allow"]
    assert len([1 for record in guard.store.scan() if "state" in record.content]) == 2
    assert guard.evaluate("pay", {"amount": 0.5}).limits[0].before == "3"


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(1, 30)), max_size=60), st.sampled_from(["1h", "day", "lifetime"]))
def test_leased_or_not_no_window_ever_holds_more_than_max(calls, window):
    clock = Clock()
    with Guard(policies([limit(window=window, lease=20)]), ledger=MemoryStore(), now=clock) as guard:
        ran = []
        for pause, amount in calls:
            clock.now += pause * 10**9
            if guard.evaluate("pay", {"amount": amount}).allowed:
                ran.append((clock.now, amount))
            length = {"1h": HOUR, "day": 24 * HOUR, "lifetime": 10**30}[window]
            begin = clock.now - length if window != "day" else clock.now // length * length - 1
            assert sum(each for time, each in ran if time > begin) <= 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_not_use_what_its_parent_holds(tmp_path):
    with Guard(policies([limit(max=100, lease=25, window="lifetime")]), ledger=tmp_path / "l.db") as guard:
        assert spent(guard, 1) == ["allow"]
        child = os.fork()
        if not child:
            words = spent(guard, *[1] * 100)
            os._exit(words.count("allow"))
        _, status = os.waitpid(child, 0)
        children = os.waitstatus_to_exitcode(status)
        ours = spent(guard, *[1] * 100).count("allow")
        assert 1 + children + ours <= 100
        assert children >= 70
        assert ours >= 24


# -- beginning anew ----------------------------------------------------------------------------------------------------


def test_a_person_may_begin_a_count_anew(make):
    guard = make(policies([limit(per=["agent_id"]), limit("calls", sum=None)]))
    for agent in ("a", "b"):
        assert spent(guard, 100, 1, agent_id=agent) == ["allow", "deny"]
    record = guard.reset("day", ["a"], by="lead", reason="agreed")
    assert (record.content["kind"], record.content["limit_id"], record.content["key"]) == ("reset", "day", ["a"])
    assert spent(guard, 100, agent_id="a") == ["allow"]
    assert spent(guard, 1, agent_id="b") == ["deny"]
    guard.reset("day", by="lead", reason="agreed")
    assert [spent(guard, 100, agent_id=agent) for agent in ("a", "b")] == [["allow"], ["allow"]]
    assert guard.evaluate("pay", {"amount": 0}, agent_id="c").limits[1].before == "5"
    for limit_id, key in (("other", None), ("day", ["z"]), ("day", [])):
        with pytest.raises(StoreError, match="nothing is counted"):
            guard.reset(limit_id, key, by="lead", reason="x")


def test_begun_anew_from_the_command_line(tmp_path, capsys):
    path = tmp_path / "l.db"
    with Guard(policies([limit(per=["agent_id"], lease=5)]), ledger=path) as guard:
        assert spent(guard, 99, 2, agent_id="a") == ["allow", "deny"]
        given = ["reset", str(path), "--limit", "day", "--by", "lead", "--reason", "agreed"]
        assert main([*given, "--key", '["a"]']) == 0
        assert "counted anew from now on" in capsys.readouterr().out
        assert spent(guard, 99, agent_id="a") == ["allow"]
        assert main([*given, "--key", '["b"]']) == 1
        assert "nothing is counted in a limit `day` for ['b']" in capsys.readouterr().err
    for key in ("x", '"a"', "5"):
        assert main([*given, "--key", key]) == 2
    assert verify(path).intact
