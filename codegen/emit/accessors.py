"""Emits ``generated/accessors.py``: one typed function per family that builds a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.render import call, quote, template

if TYPE_CHECKING:
    from codegen.spec import Family, Spec


@dataclass(frozen=True)
class _Accessor:
    """What the template says about one family."""

    family: Family
    function: str
    alias: str
    alias_line: str
    signatures: list[str]
    """The type of ``sdk`` in each overload; none while the family has no known sdk."""


def emit(spec: Spec) -> str:
    """Render the module.

    Args:
        spec: The spec.
    """
    accessors = [_accessor(spec, family) for family in spec.family]
    typing_names = ["TYPE_CHECKING"]
    if any(accessor.signatures for accessor in accessors):
        typing_names = ["TYPE_CHECKING", "Literal", "TypeAlias", "overload"]
    return template("accessors.py.j2").render(
        accessors=accessors,
        typing_imports=[f"typing:{name}" for name in typing_names],
        type_imports=[
            "pipelex.cogt.model_backends.backend:InferenceBackend",
            "pipelex.cogt.model_backends.model_spec:InferenceModelSpec",
            "pipelex.plugins.inference_backend_registry:InferenceBackendRegistry",
            "pipelex.plugins.sdk_client_registry:SdkClientRegistry",
            "pipelex.reporting.reporting_protocol:ReportingProtocol",
            *(family.worker for family in spec.family),
        ],
    )


def _accessor(spec: Spec, family: Family) -> _Accessor:
    sdks = sorted(row.sdk for builtin in spec.builtin for row in builtin.workers if row.family == family.name)
    alias = f"{family.title}Sdk"
    return _Accessor(
        family=family,
        function=f"make_{family.value}_worker",
        alias=alias,
        alias_line=call(f"{alias}: TypeAlias = Literal", [quote(sdk) for sdk in sdks], brackets="[]"),
        signatures=[alias, "str"] if sdks else [],
    )
