"""Random bytes that nobody gets twice."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from toolguard.audit.chance import WIDTH, random_bytes


def test_no_thread_gets_what_another_got():
    with ThreadPoolExecutor(8) as pool:
        got = [each for many in pool.map(lambda _: [random_bytes() for _ in range(1000)], range(8)) for each in many]
    assert len(set(got)) == 8000
    assert {len(each) for each in got} == {WIDTH}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_child_gets_what_its_parent_gets():
    random_bytes()
    reading, writing = os.pipe()
    if not os.fork():
        os.write(writing, b"".join(random_bytes() for _ in range(50)))
        os._exit(0)
    os.close(writing)
    theirs = os.read(reading, 50 * WIDTH)
    os.wait()
    ours = {random_bytes() for _ in range(200)}
    assert len(theirs) == 50 * WIDTH
    assert not ours & {theirs[at : at + WIDTH] for at in range(0, len(theirs), WIDTH)}
