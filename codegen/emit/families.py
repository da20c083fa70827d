"""Emits what follows from the families: their tokens, the worker factories, and what runs their jobs for many rows."""

from __future__ import annotations

from re import search
from typing import TYPE_CHECKING

from codegen.render import template

if TYPE_CHECKING:
    from codegen.spec import Family, Spec

_PROJECT_TYPES = (
    "pipelex.bulk.options:MapOptions",
    "pipelex.bulk.options:MapRow",
    "pipelex.bulk.run:MapEngine",
    "pipelex.bulk.run:MapRun",
    "pipelex.cogt.model_backends.model_spec:InferenceModelSpec",
    "pipelex.hub:PipelexHub",
)
WORKER = "pipelex.cogt.inference.inference_worker_abstract:InferenceWorkerAbstract"


def emit_tokens(spec: Spec) -> str:
    """Render the tokens.

    Args:
        spec: The spec.
    """
    return template("families.py.j2").render(families=spec.family, type_imports=[WORKER, *_workers(spec)])


def emit_factories(spec: Spec) -> str:
    """Render the worker factories, and the methods by which a running system makes workers.

    Args:
        spec: The spec.
    """
    return template("worker_factories.py.j2").render(
        families=spec.family,
        tokens=[f"pipelex.generated.families:{family.name}" for family in spec.family],
        type_imports=[
            "pipelex.cogt.model_backends.model_spec:InferenceModelSpec",
            "pipelex.hub:PipelexHub",
            *_workers(spec),
        ],
    )


def emit_map_methods(spec: Spec) -> str:
    """Render the methods of a running system that run a job for many rows.

    Args:
        spec: The spec.
    """
    mapped = mapped_families(spec)
    return template("map_methods.py.j2").render(
        families=mapped,
        jobs_with_objects=" | ".join([*(family.job_class for family in mapped if family.object_call), "str"]),
        type_imports=[
            *_PROJECT_TYPES,
            *(family.job for family in mapped),
            *_answers(mapped),
        ],
    )


def emit_map_kinds(spec: Spec) -> str:
    """Render the table of the calls that many rows make, by the class of their jobs.

    Args:
        spec: The spec.
    """
    mapped = mapped_families(spec)
    return template("map_kinds.py.j2").render(
        families=mapped,
        run_time_imports=[
            "pipelex.bulk.kind:Kind",
            *(f"pipelex.generated.families:{family.name}" for family in mapped),
            *(family.job for family in mapped),
            *_answers(mapped),
        ],
    )


def mapped_families(spec: Spec) -> list[Family]:
    """Return the families whose jobs can be run for many rows.

    Args:
        spec: The spec.
    """
    return [family for family in spec.family if family.call is not None]


def _answers(families: list[Family]) -> list[str]:
    found = (search(r"[\w.]+:\w+", family.answer or "") for family in families)
    return [match[0] for match in found if match is not None]


def _workers(spec: Spec) -> list[str]:
    return [family.worker for family in spec.family]
