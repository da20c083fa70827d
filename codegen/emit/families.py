"""Emits what follows from the families: ``generated/families.py``, their tokens, and ``worker_factories.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.render import template

if TYPE_CHECKING:
    from codegen.spec import Spec

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


def _workers(spec: Spec) -> list[str]:
    return [family.worker for family in spec.family]
