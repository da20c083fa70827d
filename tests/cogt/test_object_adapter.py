"""The adapters of the types that structured answers have to fit are made once, and not kept for ever."""

from __future__ import annotations

import gc
import weakref
from typing import Annotated, Any

from pydantic import BaseModel, create_model

from pipelex.cogt.inference.inference_worker_abstract import ObjectAdapter, object_adapter


class Order(BaseModel):
    """What somebody ordered."""

    item: str


class Unhashable:
    """Metadata as a library may attach it to a type."""

    __hash__ = None  # type: ignore[assignment]  # the way to say so


def test_the_adapter_of_a_type_is_made_once() -> None:
    assert object_adapter(Order) is object_adapter(Order)
    assert object_adapter(list[Order]) is object_adapter(list[Order])


def test_equal_types_that_mean_two_things_have_two_adapters() -> None:
    one, other = object_adapter(str | int), object_adapter(int | str)
    assert one.json_schema() != other.json_schema()


def test_a_type_that_cannot_be_hashed_has_an_adapter_too() -> None:
    annotated: Any = Annotated[Order, Unhashable()]
    adapter: ObjectAdapter[Order] = object_adapter(annotated)
    assert ObjectAdapter(Order).json_schema() == adapter.json_schema()


def test_a_driver_may_change_the_schema_that_it_is_given() -> None:
    adapter = object_adapter(Order)
    schema = adapter.json_schema()
    schema.clear()
    assert "properties" in adapter.json_schema()


def test_types_made_on_the_way_are_not_kept_for_ever() -> None:
    def use_one(number: int) -> weakref.ref[type[BaseModel]]:
        kind = create_model(f"Made{number}", item=(str, ...))
        object_adapter(kind)
        return weakref.ref(kind)

    gc.freeze()  # what other tests made need not be looked through
    made = [use_one(number) for number in range(140)]
    gc.collect()
    gc.unfreeze()
    assert sum(reference() is not None for reference in made) <= 128
