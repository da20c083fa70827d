"""Which symbol of the new tree is which of the old one, those that moved or got another name included."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codegen.compat.reading.outline import Outline
from pipelex.spi.stub_tree import VariableShape

if TYPE_CHECKING:
    from pipelex.spi.stub_tree import Shape, TreeShape

LIKENESS = 0.8
"""How alike two symbols must be, from 0 to 1, for one to be taken for the other under a new name."""


@dataclass
class Identity:
    """The symbols of two trees, matched.

    Attributes:
        pairs: The old key of each symbol that is in both trees, and its new key.
        added: Keys that are new.
        removed: Keys that are gone.
    """

    pairs: dict[str, str] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._back: dict[str, str] = {}

    def match(self, old: str, new: str) -> None:
        """Take a new symbol for an old one.

        Args:
            old: The old key.
            new: The new key.
        """
        self.pairs[old] = new
        self._back[new] = old

    def canonical(self, key: str) -> str:
        """Return the one name of a symbol of the new tree: its old one where it has one.

        Args:
            key: Its key in the new tree.
        """
        return self._back.get(key, key)


def identify(old: TreeShape, new: TreeShape) -> Identity:
    """Match the symbols of two trees.

    Args:
        old: The old tree.
        new: The new tree.
    """
    identity = Identity()
    for key in old.shapes:
        if key in new.shapes:
            identity.match(key, key)
    gone = [key for key in old.shapes if key not in new.shapes]
    come = [key for key in new.shapes if key not in old.shapes]
    for key in list(gone):  # moved: the same name in another module
        same = [other for other in come if _name(other) == _name(key) and _alike(old.shapes[key], new.shapes[other])]
        if len(same) == 1:
            identity.match(key, same[0])
            gone.remove(key)
            come.remove(same[0])
    for key, other in _renamed(old, new, gone, come):
        identity.match(key, other)
        gone.remove(key)
        come.remove(other)
    identity.removed = [key for key in gone if _is_published(old.shapes[key])]
    identity.added = [key for key in come if _is_published(new.shapes[key])]
    return identity


def _name(key: str) -> str:
    return key.partition(":")[2]


def _alike(one: Shape, other: Shape) -> bool:
    return type(one) is type(other)


def _is_published(shape: Shape) -> bool:
    return not isinstance(shape, VariableShape)


def _renamed(old: TreeShape, new: TreeShape, gone: list[str], come: list[str]) -> list[tuple[str, str]]:
    """Pair what is gone with what has come in the same module, the most alike first."""
    scores = []
    for key in gone:
        for other in come:
            same_module = key.partition(":")[0] == other.partition(":")[0]
            if same_module and _alike(old.shapes[key], new.shapes[other]):
                scores.append((_likeness(old, key, new, other), key, other))
    pairs: list[tuple[str, str]] = []
    for score, key, other in sorted(scores, reverse=True):
        taken = any(key == one or other == two for one, two in pairs)
        if score >= LIKENESS and not taken:
            pairs.append((key, other))
    return pairs


def _likeness(old: TreeShape, key: str, new: TreeShape, other: str) -> float:
    before = Outline().shape(old.shapes[key]).replace(_name(key), "_")
    after = Outline().shape(new.shapes[other]).replace(_name(other), "_")
    if before.rpartition("    ...")[1]:  # a class without members is like any other such: its name is all it has
        return 0.0
    return difflib.SequenceMatcher(None, before, after).ratio()
