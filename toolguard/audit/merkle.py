"""A Merkle tree over the hashes of records, as RFC 9162 (Certificate Transparency 2.0) section 2.1 builds it, with SHA-256.

SHA-256 and not BLAKE3, so that other people's tools for transparency logs can check our roots and proofs. `Tree` keeps the
roots of the full subtrees only (`peaks`, largest first), which is all it takes to go on: some twenty hashes for a million
records. Proofs are computed from the leaves.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows at its end."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Go on from the peaks of a tree of that size.

        Raises:
            ValueError: a tree of that size has another number of peaks.
        """
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} full subtrees, not {len(self.peaks)}")

    def add(self, data: bytes) -> None:
        """Add a leaf."""
        grown, size, peaks = sha256(b"\x00" + data).digest(), self.size, self.peaks
        while size & 1:
            grown = sha256(b"\x01" + peaks.pop() + grown).digest()
            size >>= 1
        peaks.append(grown)
        self.size += 1

    def root(self) -> bytes:
        """The root of what is there."""
        if not self.peaks:
            return EMPTY_ROOT
        *rest, root = self.peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def inclusion_proof(leaves: Iterable[bytes], index: int, size: int, begun: Tree | None = None) -> list[bytes]:
    """The path from leaf `index` (from 0) to the root of the first `size` leaves: PATH(m, D[n]) of RFC 9162, 2.1.3.1.

    `begun` is the tree of leaves that are not given any more; `leaves` follow them.

    Raises:
        ValueError: there is no such leaf, or there are fewer leaves.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    return _roots_of(leaves, list(_path(index, 0, size)), size, begun or Tree())


def consistency_proof(leaves: Iterable[bytes], first: int, second: int, begun: Tree | None = None) -> list[bytes]:
    """What shows that the tree of `second` leaves begins with the tree of `first`: PROOF(m, D[n]) of RFC 9162, 2.1.4.1.

    `begun` is the tree of leaves that are not given any more; `leaves` follow them.

    Raises:
        ValueError: the sizes are none of these trees', or there are fewer leaves.
    """
    if not 0 < first <= second:
        raise ValueError(f"no tree of {second} leaves begins with one of {first}")
    return _roots_of(leaves, list(_subproof(first, 0, second, whole=True)), second, begun or Tree())


def root_by_inclusion(data: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf and its path lead to (RFC 9162, 2.1.3.2); None if the path cannot be one of a tree of that size."""
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf_hash(data)
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the second tree begins with the first one (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    whole = first & (first - 1) == 0
    steps = [first_root, *path] if whole else list(path)
    if not steps:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, step)
        place, last = place >> 1, last >> 1
    return old == first_root and new == second_root and last == 0


class Levels(Tree):
    """A tree that keeps all nodes it grows, for many proofs at once: two hashes a leaf."""

    __slots__ = ("_begun", "_levels")

    def __init__(self, begun: Tree | None = None) -> None:
        """Go on from a tree whose leaves are not given any more."""
        self._begun = begun or Tree()
        super().__init__(self._begun.size, self._begun.peaks)
        self._levels: list[list[bytes]] = []

    def add(self, data: bytes) -> None:
        """Add a leaf."""
        grown, size, height = leaf_hash(data), self.size, 0
        self._keep(height, grown)
        while size & 1:
            grown, size, height = node_hash(self.peaks.pop(), grown), size >> 1, height + 1
            self._keep(height, grown)
        self.peaks.append(grown)
        self.size += 1

    def _keep(self, height: int, node: bytes) -> None:
        if height == len(self._levels):
            self._levels.append([])
        self._levels[height].append(node)

    def proof(self, index: int) -> list[bytes]:
        """The path from a leaf to the root, as `inclusion_proof`.

        Raises:
            ValueError: there is no such leaf, or not any more.
        """
        if not self._begun.size <= index < self.size:
            raise ValueError(f"there is no leaf {index}, or not any more")
        return [self._span(start, end) for start, end in _path(index, 0, self.size)]

    def _span(self, start: int, end: int) -> bytes:
        """The root of some leaves, of the largest full subtrees that they are made of."""
        at, peaks = start, []
        while at < end:
            height = (end - at).bit_length() - 1
            if at:
                height = min(height, (at & -at).bit_length() - 1)
            peaks.append(self._node(height, at >> height))
            at += 1 << height
        return Tree(end - start, peaks).root()

    def _node(self, height: int, place: int) -> bytes:
        first = self._begun.size >> height  # the first that was grown here
        if place >= first:
            return self._levels[height][place - first]
        return self._begun.peaks[(self._begun.size >> height + 1).bit_count()]


Span = tuple[int, int]  # from this leaf up to, and without, that one


def _split(start: int, end: int) -> int:
    """Where RFC 9162 divides these leaves: the largest power of two that is smaller than their number."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _path(index: int, start: int, end: int) -> Iterator[Span]:
    """The subtrees whose roots make the path of a leaf, from the leaf upwards."""
    if end - start == 1:
        return
    middle = _split(start, end)
    if index < middle:
        yield from _path(index, start, middle)
        yield middle, end
    else:
        yield from _path(index, middle, end)
        yield start, middle


def _subproof(first: int, start: int, end: int, *, whole: bool) -> Iterator[Span]:
    """The subtrees whose roots make a consistency proof; `whole` while the first tree is one of them and known anyway."""
    if first == end:
        if not whole:
            yield start, end
        return
    middle = _split(start, end)
    if first <= middle:
        yield from _subproof(first, start, middle, whole=whole)
        yield middle, end
    else:
        yield from _subproof(first, middle, end, whole=False)
        yield start, middle


def _begun(span: Span, begun: Tree) -> Tree:
    """The tree of a span as far as the leaves that are not given any more reach into it."""
    start, end = span
    at, within = 0, []
    for peak in begun.peaks:
        width = 1 << (begun.size - at).bit_length() - 1
        if start <= at and at + width <= end:
            within.append(peak)
        elif start < at + width and at < end:
            raise ValueError(f"leaf {max(start, at)} is among those that are not given any more")
        at += width
    return Tree(max(0, min(end, begun.size) - start), within)


def _roots_of(leaves: Iterable[bytes], spans: Sequence[Span], size: int, begun: Tree) -> list[bytes]:
    """The roots of subtrees that do not overlap, in one pass over the leaves."""
    trees = {span: _begun(span, begun) for span in spans}
    left = sorted(spans, reverse=True)
    count = begun.size
    for count, data in enumerate(leaves, begun.size + 1):
        while left and left[-1][1] < count:
            left.pop()
        if left and left[-1][0] < count:
            trees[left[-1]].add(data)
        if count == size:
            break
    if count < size:
        raise ValueError(f"there are {count} leaves, and not {size}")
    return [trees[span].root() for span in spans]
