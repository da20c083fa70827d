"""Every driver that reaches a vendor, each with its official SDK and its vendor on loopback: what the matrix runs over.

The vendors are those of the conformance kit; a look-alike, which no kit of its own covers, borrows that of the driver
whose worker it is a row of.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.generated.builtins import GatewayPlugin, LinkupPlugin, OpenrouterPlugin, PortkeyPlugin
from pipelex.testing.extract import ExtractConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from pipelex.testing.stage import Stage
from tests.providers.anthropic.test_anthropic_kit import TestAnthropic, TestBedrockAnthropic
from tests.providers.azure_rest.test_azure_rest import TestAzureRest
from tests.providers.bedrock.test_bedrock_kit import TestBedrockAioboto, TestBedrockBoto3
from tests.providers.fal.test_fal_kit import TestFal
from tests.providers.gateway.test_gateway import TestGatewayExtract, TestGatewaySearch
from tests.providers.google.test_google_kit import TestGoogleImgGen, TestGoogleLLM
from tests.providers.huggingface.test_huggingface_kit import TestHuggingFace
from tests.providers.linkup import wire as linkup_wire
from tests.providers.linkup.test_linkup_kit import TestLinkup
from tests.providers.mistral.test_mistral_kit import TestMistralExtract, TestMistralLLM
from tests.providers.openai.test_openai_kit import TestOpenAI, TestOpenAIImages, TestOpenAIResponses
from tests.providers.openrouter.test_openrouter import TestOpenRouterImages
from tests.providers.portkey.test_portkey import TestPortkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipelex.cogt.extract.extract_job import ExtractedPage
    from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.testing.conformance import Conformance
    from pipelex.testing.vendor import FakeVendor

    AnyDriver = Conformance[Any, Any]

ReturnT = TypeVar("ReturnT")

PATIENT = CallPolicy(timeout_s=20.0, max_attempts=2, max_validation_retries=0)
IMPATIENT = replace(PATIENT, timeout_s=0.4)
"""How long an SDK waits for a vendor that says nothing: it gives up by its own clock, long before our own would."""
HASTY = replace(PATIENT, connect_timeout_s=0.1)
"""As in earnest, the SDK and our own clock wait for an answer for as long; what is short is the way there alone."""


class _AzureOpenAI(TestOpenAI):
    sdk = "azure_openai"

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(name="kit", endpoint=endpoint)


class _AzureOpenAIDated(_AzureOpenAI):
    """The older shape of address: the version in the query, the deployment in the path."""

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return replace(super().backend(endpoint), extras={"api_version": "2024-10-21"})


class _AzureOpenAIResponses(TestOpenAIResponses):
    sdk = "azure_openai_responses"

    backend = _AzureOpenAI.backend


class _AzureRestDated(TestAzureRest):
    def backend(self, endpoint: str | None) -> InferenceBackend:
        return replace(super().backend(endpoint), extras={"api_version": "2024-10-21"})


class _GatewayCompletions(TestOpenAI):
    sdk = "gateway_completions"

    def plugin(self) -> PipelexPlugin:
        return GatewayPlugin()


class _GatewayResponses(TestOpenAIResponses):
    sdk = "gateway_responses"

    plugin = _GatewayCompletions.plugin


class _GatewayImages(TestOpenAIImages):
    sdk = "gateway_img_gen"

    plugin = _GatewayCompletions.plugin


class _PortkeyResponses(TestOpenAIResponses):
    sdk = "portkey_responses"

    def plugin(self) -> PipelexPlugin:
        return PortkeyPlugin()


class _OpenRouter(TestOpenAI):
    sdk = "openrouter"

    def plugin(self) -> PipelexPlugin:
        return OpenrouterPlugin()


class _FetchVendor(LoopbackVendor["tuple[ExtractedPage, ...]"]):
    """Linkup's fetch as its documentation describes it."""

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[ExtractedPage, ...]]) -> HttpReply:
        return HttpReply.json(linkup_wire.page(answer.content[0].text))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json(linkup_wire.error(status, "KIT"), status=status)


class _LinkupFetch(ExtractConformance):
    """It takes addresses alone, which the kit's document is none of."""

    sdk = "linkup_fetch"
    model_id = "fetch"
    capabilities = frozenset({Capability.URL})

    def plugin(self) -> PipelexPlugin:
        return LinkupPlugin()

    def vendor(self) -> _FetchVendor:
        return _FetchVendor()

    async def _call(self, worker: ExtractWorkerAbstract, token: str, capability: Capability | None) -> object:
        return await worker.extract_pages(f"https://example.org/{token}")


DRIVERS: dict[str, AnyDriver] = {
    "openai": TestOpenAI(),
    "openai_responses": TestOpenAIResponses(),
    "openai_img_gen": TestOpenAIImages(),
    "azure_openai": _AzureOpenAI(),
    "azure_openai dated": _AzureOpenAIDated(),
    "azure_openai_responses": _AzureOpenAIResponses(),
    "azure_rest_img_gen": TestAzureRest(),
    "azure_rest_img_gen dated": _AzureRestDated(),
    "gateway_completions": _GatewayCompletions(),
    "gateway_responses": _GatewayResponses(),
    "gateway_img_gen": _GatewayImages(),
    "gateway_extract": TestGatewayExtract(),
    "gateway_search": TestGatewaySearch(),
    "portkey_completions": TestPortkey(),
    "portkey_responses": _PortkeyResponses(),
    "openrouter": _OpenRouter(),
    "openrouter_img_gen": TestOpenRouterImages(),
    "anthropic": TestAnthropic(),
    "bedrock_anthropic": TestBedrockAnthropic(),
    "bedrock_boto3": TestBedrockBoto3(),
    "bedrock_aioboto": TestBedrockAioboto(),
    "mistral llm": TestMistralLLM(),
    "mistral extract": TestMistralExtract(),
    "google llm": TestGoogleLLM(),
    "google img_gen": TestGoogleImgGen(),
    "fal": TestFal(),
    "huggingface_img_gen": TestHuggingFace(),
    "linkup": TestLinkup(),
    "linkup_fetch": _LinkupFetch(),
}


def play(
    driver: AnyDriver,
    scene: Callable[[Stage[Any, Any], Any], Awaitable[ReturnT]],
    *,
    vendor: FakeVendor[Any],
    worker: CallPolicy = PATIENT,
    client: CallPolicy = PATIENT,
    endpoint: str | None = None,
) -> ReturnT:
    """Run a scene in a loop of its own, with a worker of the driver, and close its clients.

    Args:
        driver: The driver.
        scene: Gets the stage and the worker.
        vendor: The vendor, open, with its orders beyond the plain answer.
        worker: The policy of the model: of the worker's base.
        client: The policy of the backend: of the SDK.
        endpoint: Where the SDK looks for the vendor, where that is not where it is.
    """
    vendor.answer_with(lambda token: driver._answer(token, None))
    stage = Stage[Any, Any](plugin=driver.plugin(), vendor=vendor)
    backend = replace(driver._with_secrets(driver.backend(endpoint or vendor.endpoint)), policy=client)

    async def main() -> ReturnT:
        try:
            return await scene(stage, stage.make_worker(model=replace(driver.model(), policy=worker), backend=backend))
        finally:
            await stage.clients.aclose()

    return asyncio.run(main())
