"""The tree of RFC 9162 against its definition, written down once more as the standard has it."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard.audit.merkle import (
    EMPTY_ROOT,
    Levels,
    Tree,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    root_by_inclusion,
)

# Test vectors of Certificate Transparency (RFC 6962 and 9162 hash alike): these eight inputs, and the roots of the first n.
INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def root(leaves):
    """MTH of RFC 9162, 2.1.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return sha256(b"\1" + root(leaves[:middle]) + root(leaves[middle:])).digest()


def tree(leaves):
    made = Tree()
    for each in leaves:
        made.add(each)
    return made


@pytest.mark.parametrize("size", ROOTS)
def test_the_vectors_of_certificate_transparency(size):
    assert tree(INPUTS[:size]).root().hex() == ROOTS[size]
    assert Tree().root() == EMPTY_ROOT == root([])


LEAVES = st.lists(st.binary(max_size=3), min_size=1, max_size=70)


@given(LEAVES, st.data())
def test_the_root_is_the_standards_also_when_taken_up_again(leaves, data):
    at = data.draw(st.integers(0, len(leaves)))
    first = tree(leaves[:at])
    again = Tree(at, first.peaks)
    for each in leaves[at:]:
        again.add(each)
    assert again.root() == root(leaves) == tree(leaves).root()


def test_peaks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="a tree of 5 leaves has 2 full subtrees, not 1"):
        Tree(5, [bytes(32)])


@given(LEAVES, st.data())
def test_a_leaf_is_proved_and_no_other(leaves, data):
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(leaves, index, size)
    whole = root(leaves[:size])
    assert root_by_inclusion(leaves[index], index, size, path) == whole
    assert root_by_inclusion(leaves[index] + b"x", index, size, path) != whole
    elsewhere = data.draw(st.integers(-1, size + 1).filter(lambda at: at != index))
    if elsewhere not in range(size) or leaves[elsewhere] != leaves[index]:
        assert root_by_inclusion(leaves[index], elsewhere, size, path) != whole
    assert root_by_inclusion(leaves[index], index, size, [*path, bytes(32)]) != whole
    if path:
        assert root_by_inclusion(leaves[index], index, size, path[:-1]) != whole


@given(LEAVES, st.data())
def test_growth_is_proved_and_nothing_else(leaves, data):
    second = data.draw(st.integers(1, len(leaves)))
    first = data.draw(st.integers(1, second))
    path = consistency_proof(leaves, first, second)
    roots = root(leaves[:first]), root(leaves[:second])
    assert is_consistent(first, roots[0], second, roots[1], path)
    other = root([*leaves[: first - 1], leaves[first - 1] + b"x"])
    assert not is_consistent(first, other, second, roots[1], path)
    assert not is_consistent(first, roots[0], second, other, path) or first == second == 0
    assert not is_consistent(first, roots[0], second, roots[1], [*path, bytes(32)])
    if path:
        assert not is_consistent(first, roots[0], second, roots[1], path[:-1])


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0), (0, 9)])
def test_what_is_not_there_is_not_proved(index, size):
    with pytest.raises(ValueError, match=r"lea(f|ves)"):
        inclusion_proof([b""] * 8, index, size)


@pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3), (3, 9)])
def test_no_proof_between_trees_that_are_not_there(first, second):
    with pytest.raises(ValueError, match="leaves"):
        consistency_proof([b""] * 8, first, second)
    assert not is_consistent(first, bytes(32), second if second < 9 else 2, bytes(32), [])


@given(LEAVES, st.data())
def test_proofs_when_the_first_leaves_are_not_there_any_more(leaves, data):
    gone = data.draw(st.integers(0, len(leaves) - 1))
    begun = tree(leaves[:gone])
    size = data.draw(st.integers(gone + 1, len(leaves)))
    index = data.draw(st.integers(gone, size - 1))
    assert inclusion_proof(leaves[gone:], index, size, begun) == inclusion_proof(leaves, index, size)
    first = data.draw(st.integers(max(1, gone), size))
    assert consistency_proof(leaves[gone:], first, size, begun) == consistency_proof(leaves, first, size)


def test_no_proof_of_a_leaf_that_is_not_there_any_more():
    with pytest.raises(ValueError, match="not given any more"):
        inclusion_proof(INPUTS[4:], 2, 8, tree(INPUTS[:4]))


@given(LEAVES, st.data())
def test_all_proofs_at_once_are_those_one_by_one(leaves, data):
    gone = data.draw(st.integers(0, len(leaves) - 1))
    levels = Levels(tree(leaves[:gone]))
    for each in leaves[gone:]:
        levels.add(each)
    assert levels.root() == root(leaves)
    for index in range(gone, len(leaves)):
        assert levels.proof(index) == inclusion_proof(leaves, index, len(leaves))
    for index in {-1, gone - 1, len(leaves)}:
        with pytest.raises(ValueError, match="there is no leaf"):
            levels.proof(index)
