"""Policies can change under a running guard: all of them or none, recorded, and never half a file."""

import threading
import time

import pytest

from toolguard import Guard, PolicyError, StoreError, Verdict, verify
from toolguard.stores.memory import MemoryStore
from toolguard.watch import Watcher

CAP = """policy_id: cap
scope: {{tool_names: [pay]}}
rules:
  - {{rule_id: cap, effect: deny, conditions: {{field: amount, operator: gt, value: {limit}}}}}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "policies" / "cap.yaml"
    path.parent.mkdir()
    path.write_text(CAP.format(limit=500))
    return path


def test_a_changed_policy_is_in_force_and_on_record(path, guard, tmp_path):
    made = guard(path.parent, ledger=tmp_path / "l.db")
    before = made.revision
    assert made.evaluate("pay", {"amount": 300}).verdict == Verdict.ALLOW
    path.write_text(CAP.format(limit=100))
    after = made.reload()
    assert made.evaluate("pay", {"amount": 300}).verdict == Verdict.DENY
    assert before != after == made.revision
    kinds = [(r.content["kind"], r.content.get("previous"), r.content["revision"]) for r in made.store.scan()]
    assert kinds == [
        ("start", None, before),
        ("decision", None, before),
        ("reload", before, after),
        ("decision", None, after),
    ]
    made.close()
    assert verify(tmp_path / "l.db").intact


def test_nothing_changed_is_no_record(path, guard):
    made = guard(path)
    assert made.reload() == made.revision
    assert len(list(made.store.scan())) == 1


@pytest.mark.parametrize("damage", ["policy_id: cap\n", "a: [\n", CAP.format(limit="many"), ""])
def test_a_refused_change_leaves_everything_as_it_was(path, guard, damage):
    (path.parent / "new.yaml").write_text(CAP.format(limit=1).replace("policy_id: cap", "policy_id: new"))
    made = guard(path.parent)
    before = made.revision
    (path.parent / "new.yaml").write_text(CAP.format(limit=2).replace("policy_id: cap", "policy_id: new"))
    path.write_text(damage)
    with pytest.raises(PolicyError):
        made.reload()
    assert made.revision == before
    assert made.evaluate("pay", {"amount": 2}).primary.policy_id == "new"
    assert [r.content["kind"] for r in made.store.scan()] == ["start", "decision"]


def test_removed_files_do_not_empty_the_guard(path, guard):
    made = guard(path.parent)
    path.unlink()
    with pytest.raises(PolicyError, match="holds no"):
        made.reload()
    assert made.evaluate("pay", {"amount": 900}).verdict == Verdict.DENY


def test_a_change_that_cannot_be_recorded_is_not_put_in_force(path):
    class Full(MemoryStore):
        full = False

        def append(self, build, *, durable=True):
            if self.full:
                raise StoreError("disk full")
            return super().append(build, durable=durable)

    store = Full()
    with Guard(path, ledger=store) as made:
        before = made.revision
        store.full = True
        path.write_text(CAP.format(limit=5000))
        with pytest.raises(StoreError):
            made.reload()
        store.full = False
        assert made.revision == before
        assert made.evaluate("pay", {"amount": 900}).verdict == Verdict.DENY


def test_a_call_in_flight_finishes_on_the_policies_it_started_with(path, guard):
    path.write_text(CAP.format(limit=500).replace("effect: deny", "effect: escalate"))

    def approver(decision):
        path.write_text(CAP.format(limit=1))
        made.reload()
        return decision.revision == before

    made = guard(path, approver=approver)
    before = made.revision
    decision = made.evaluate("pay", {"amount": 900})
    made.approve(decision)
    assert decision.revision == before != made.revision


def test_policies_from_an_iterator_can_be_loaded_again(path, guard):
    made = guard(iter([path]))
    path.write_text(CAP.format(limit=100))
    made.reload()
    assert made.evaluate("pay", {"amount": 300}).verdict == Verdict.DENY


def test_threads_that_decide_while_policies_change_see_one_revision_or_the_other(path, guard):
    made = guard(path, ledger=":memory:")
    known, seen, stop = {made.revision}, set(), threading.Event()

    def decide():
        while not stop.is_set():
            decision = made.evaluate("pay", {"amount": 300})
            seen.add((decision.revision, decision.verdict))

    workers = [threading.Thread(target=decide) for _ in range(4)]
    for worker in workers:
        worker.start()
    strict = {}
    for limit in (100, 500) * 10:
        path.write_text(CAP.format(limit=limit))
        strict[made.reload()] = Verdict.DENY if limit == 100 else Verdict.ALLOW
    stop.set()
    for worker in workers:
        worker.join()
    assert {revision for revision, _ in seen} <= known | set(strict)
    assert all(strict.get(revision, Verdict.ALLOW) == verdict for revision, verdict in seen)


def eventually(holds):
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_the_watcher_reloads_by_itself_and_survives_a_refusal(path, guard, caplog):
    made = guard(path.parent)
    first = made.revision
    made.watch(interval=0.02)
    path.write_text("policy_id: [\n")
    assert eventually(lambda: "changed policies were refused" in caplog.text)
    assert made.revision == first
    path.write_text(CAP.format(limit=100))
    assert eventually(lambda: made.revision != first)
    second = made.revision
    (path.parent / "more.yml").write_text(CAP.format(limit=1).replace("policy_id: cap", "policy_id: more"))
    assert eventually(lambda: made.revision != second)
    made.close()
    assert not any(thread.name == "toolguard-watch" for thread in threading.enumerate())


def test_there_has_to_be_something_to_watch(guard):
    with pytest.raises(ValueError, match="no files to watch"):
        guard(CAP.format(limit=1)).watch()


def test_the_watcher_outlives_a_folder_that_cannot_be_read(tmp_path, caplog):
    path, changes, broken = tmp_path / "a", [], [False]
    path.write_text("1")

    def files():
        if broken[0]:
            raise PermissionError("no")
        return [path]

    watcher = Watcher(files, lambda: changes.append(1), interval=0.01)
    broken[0] = True
    assert eventually(lambda: "refused" in caplog.text)
    broken[0] = False
    path.write_text("22")
    assert eventually(lambda: changes)
    watcher.stop()


def test_a_file_that_is_still_being_written_is_left_alone(tmp_path):
    path, changes = tmp_path / "a", []
    path.write_text("1")
    watcher = Watcher(lambda: [path], lambda: changes.append(path.read_text()), interval=0.05)
    for length in range(2, 40):
        path.write_text("1" * length)
        time.sleep(0.01)
    assert eventually(lambda: changes)
    watcher.stop()
    assert changes == ["1" * 39]


def test_a_watcher_can_be_stopped_from_its_own_callback(tmp_path):
    path, stopped = tmp_path / "a", threading.Event()

    def on_change():
        watcher.stop()
        stopped.set()

    watcher = Watcher(lambda: [path], on_change, interval=0.01)
    path.write_text("1")
    assert stopped.wait(5)
