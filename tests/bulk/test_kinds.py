from __future__ import annotations

from inspect import signature
from typing import get_args

from pipelex.bulk.kinds import KINDS
from pipelex.generated.families import FAMILIES


def spelling(kind: object) -> str:
    """Return a type as an annotation spells it."""
    arguments = ", ".join(map(spelling, get_args(kind)))
    name = str(getattr(kind, "__name__", kind))
    return f"{name}[{arguments}]" if arguments else name


def test_every_family_has_a_call_for_many_rows() -> None:
    assert set(FAMILIES) == {kind.family.member for kind in KINDS.values()}


def test_the_calls_for_many_rows_are_methods_of_the_workers_and_return_what_they_state() -> None:
    for kind in KINDS.values():
        base = kind.family.load_base()
        assert spelling(kind.answer) == signature(getattr(base, kind.method)).return_annotation
        assert not kind.object_method or "schema" in signature(getattr(base, kind.object_method)).parameters
