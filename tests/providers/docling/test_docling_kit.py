"""The conformance kit: Docling reads the kit's documents itself."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.generated.builtins import DoclingPlugin
from pipelex.testing.extract import ExtractConformance
from pipelex.testing.vendor import IN_PROCESS, RealEngine, Trait

if TYPE_CHECKING:
    from pipelex.cogt.extract.extract_job import ExtractedPage
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

pytest_plugins = ["pipelex.testing"]
pytestmark = [
    pytest.mark.skipif(find_spec("docling") is None, reason="the extra 'docling' is not installed"),
    pytest.mark.counterpart("docling", "extract:docling_sdk"),
]


class TestDocling(ExtractConformance):
    sdk = "docling_sdk"
    model_id = "docling"
    # The kit's document is a PDF, of whose tables Docling knows nothing without a model.
    capabilities = frozenset(ExtractConformance.family_capabilities) - {Capability.TABLES}
    sdk_imports = ("docling",)
    extra = "docling"
    cannot = {**IN_PROCESS, Trait.CLIENT: "it keeps no client"}  # noqa: RUF012 - as the kit declares it
    time_limit_s = 60.0

    def plugin(self) -> DoclingPlugin:
        return DoclingPlugin()

    def model(self) -> InferenceModelSpec:
        return replace(super().model(), policy=CallPolicy(timeout_s=60.0))

    def vendor(self) -> RealEngine[tuple[ExtractedPage, ...]]:
        return RealEngine()
