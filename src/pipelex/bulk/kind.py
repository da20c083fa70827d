"""How the jobs of a family are called for many rows. ``kinds`` holds the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.plugins.family import Family


class Kind(NamedTuple):
    """How the jobs of a family are called.

    Attributes:
        family: The family.
        method: The worker's method that takes the job alone.
        object_method: The one that takes the type of the answer, too; empty: there is none.
        answer: The type of the answer of ``method``.
    """

    family: Family[InferenceWorkerAbstract]
    method: str
    object_method: str
    answer: object
