"""Policies as teams have them load unchanged and decide as they should, judged by a guard and explained alike."""

import pytest
from conftest import agrees, cases

from toolguard import Guard
from toolguard.audit.kept import is_revision, name_of

CALLS = [(case, call) for case in cases("existing_policies") for call in case["calls"]]


@pytest.mark.parametrize(("case", "call"), CALLS, ids=[f"{case['name']}-{call['tool']}" for case, call in CALLS])
def test_an_existing_policy(case, call):
    given = {key: value for key, value in call.items() if key not in ("verdict", "says")}
    with Guard(case["policy"], ledger=":memory:", **case.get("options", {})) as guard:
        decision = guard.evaluate(**given)
        assert is_revision(guard.revision, guard.store.kept(name_of(guard.revision)))
    assert (decision.verdict.word, call.get("says", "") in decision.reason) == (call["verdict"], True), decision.reason
    agrees(decision)
