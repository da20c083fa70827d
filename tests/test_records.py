"""The decorator of records makes what the standard one makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import pickle
from dataclasses import FrozenInstanceError, field
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError

from pipelex import records

if TYPE_CHECKING:
    from collections.abc import Callable

DECORATORS = {"ours": records.dataclass, "the standard one": dataclasses.dataclass}


def _classes(dataclass: Callable[..., Any]) -> tuple[type[Any], type[Any]]:
    @dataclass(frozen=True, kw_only=True)
    class Base:
        """A record.

        Attributes:
            name: What it is called.
        """

        name: str
        count: int = 1
        items: list[object] = field(default_factory=list)
        note: object = field(default=None, compare=False, repr=False)
        kind: str = field(default="base", init=False)

    @dataclass(frozen=True, kw_only=True)
    class Below(Base):
        """A record below another one."""

        more: float = 0.0
        kind: str = field(default="below", init=False)

        def __post_init__(self) -> None:
            if self.more < 0:
                raise ValueError("less than nothing")

        def __repr__(self) -> str:
            return f"<{self.name}>"

    return Base, Below


@records.dataclass(frozen=True, kw_only=True)
class Pickled:
    """A record of a module."""

    name: str


@pytest.fixture(params=DECORATORS)
def kinds(request: pytest.FixtureRequest) -> tuple[type[Any], type[Any]]:
    """A record and one below it, of either decorator."""
    return _classes(DECORATORS[request.param])


def test_the_signature_is_that_of_the_standard_decorator() -> None:
    for ours, theirs in zip(*map(_classes, DECORATORS.values()), strict=True):
        assert str(inspect.signature(theirs)) == str(inspect.signature(ours))
        assert theirs.__init__.__annotations__ == ours.__init__.__annotations__
        assert theirs.__init__.__qualname__ == ours.__init__.__qualname__
        assert repr(theirs.__dataclass_params__) == repr(ours.__dataclass_params__)
        assert [repr(one) for one in dataclasses.fields(theirs)] == [repr(one) for one in dataclasses.fields(ours)]
    assert {"name": str, "return": type(None)} == get_type_hints(Pickled.__init__)


def test_values_are_equal_hashed_and_shown_by_their_fields(kinds: tuple[type[Any], type[Any]]) -> None:
    base, below = kinds
    one, same, other = base(name="a", note=1), base(name="a", note=2), base(name="b")
    assert (True, False, False) == (one == same, one == other, one == below(name="a"))
    assert f"{base.__qualname__}(name='a', count=1, items=[], kind='base')" == repr(one)
    assert ("<a>", "below") == (repr(below(name="a")), below(name="a").kind)
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    assert hash(base(name="a", items=())) == hash(base(name="a", items=()))
    assert base(name="a", items=(math.nan,)) == base(name="a", items=(math.nan,))


def test_each_record_has_a_default_of_its_own(kinds: tuple[type[Any], type[Any]]) -> None:
    base, _ = kinds
    one, other = base(name="a"), base(name="b")
    one.items.append(one)
    assert [] == other.items
    assert "..." in repr(one)


def test_a_record_cannot_be_changed_and_is_copied_with_other_values(kinds: tuple[type[Any], type[Any]]) -> None:
    for kind in kinds:
        one = kind(name="a")
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
            one.name = "b"
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
            del one.name
        assert kind(name="b", count=2) == dataclasses.replace(one, name="b", count=2)
        assert one == copy.deepcopy(one)
        assert {"name": "a", "count": 1}.items() <= dataclasses.asdict(one).items()


def test_wrong_arguments_are_refused(kinds: tuple[type[Any], type[Any]]) -> None:
    base, below = kinds
    for arguments, given, match in (
        ((), {}, "missing 1 required keyword-only argument: 'name'"),
        (("a",), {}, "takes 1 positional argument but 2"),
        ((), {"name": "a", "nam": 1}, "unexpected keyword argument 'nam'"),
        ((), {"name": "a", "kind": "x"}, "unexpected keyword argument 'kind'"),
    ):
        with pytest.raises(TypeError, match=match):
            base(*arguments, **given)
    with pytest.raises(ValueError, match="less than nothing"):
        below(name="a", more=-1.0)


def test_a_record_is_pickled_validated_and_extended_as_a_dataclass() -> None:
    assert Pickled(name="a") == pickle.loads(pickle.dumps(Pickled(name="a")))
    assert Pickled(name="a") == TypeAdapter(Pickled).validate_python({"name": "a"})
    with pytest.raises(ValidationError):
        TypeAdapter(Pickled).validate_python({"name": 1})

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Extended(Pickled):
        more: int

    extended = Extended(name="a", more=1)
    assert ("a", 1) == (extended.name, extended.more)
    with pytest.raises(FrozenInstanceError):
        extended.more = 2  # type: ignore[misc]  # what is refused


def test_another_kind_of_dataclass_is_refused() -> None:
    with pytest.raises(TypeError, match=r"use dataclasses\.dataclass"):
        records.dataclass(frozen=False, kw_only=True)
