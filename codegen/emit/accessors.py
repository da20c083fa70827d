"""Emits ``generated/accessors.py``: one typed function per family that builds a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.render import template

if TYPE_CHECKING:
    from codegen.call_shapes import CallShapes
    from codegen.spec import Spec


def emit(spec: Spec, shapes: CallShapes) -> str:
    """Render the module.

    Args:
        spec: The spec.
        shapes: How the plugins' callables are called.
    """
    return template("accessors.py.j2").render(
        families=spec.family,
        names=", ".join(sorted(family.name for family in spec.family)),
        shape=shapes.make_worker,
        type_imports=[
            "pipelex.plugins.inference_backend_registry:InferenceBackendRegistry",
            *shapes.make_worker.imports,
            *(family.worker for family in spec.family),
        ],
    )
