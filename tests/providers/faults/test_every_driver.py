"""The fault matrix: what each fault becomes with each driver, its official SDK and a socket between it and the vendor.

``EXPECTED`` is the rule, ``EXCEPTIONS`` are the few drivers that cannot follow it, with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceAuthenticationError,
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
)
from pipelex.generated.builtins import BUILTIN_PLUGINS
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.providers.openai.llm import OpenAICompletionsWorker
from pipelex.testing.conformance import new_token
from pipelex.testing.fault_kinds import check_kind
from pipelex.testing.loopback import LoopbackVendor
from pipelex.testing.vendor import Fault
from tests.heavy import heavy_but
from tests.providers.faults.drivers import DRIVERS, HASTY, IMPATIENT, PATIENT, play
from tests.providers.replay import Deaf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.cogt.model_backends.model_spec import CallPolicy
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.testing.loopback import HttpReply, HttpRequest
    from pipelex.testing.vendor import FakeVendor
    from tests.providers.faults.drivers import AnyDriver

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),  # of Hugging Face's own call
]


class Outcome(NamedTuple):
    """What came of a call that was allowed two attempts."""

    kind: type[InferenceError]
    status: int | None
    retryable: bool
    retry_after: float | None
    arrived: int
    """How many requests the vendor saw."""
    request_id: str | None = None


EXPECTED = {
    Fault.UNAUTHORIZED: Outcome(InferenceAuthenticationError, 401, False, None, arrived=1),
    Fault.NOT_FOUND: Outcome(InferenceModelNotFoundError, 404, False, None, arrived=1),
    Fault.RATE_LIMITED: Outcome(InferenceRateLimitError, 429, True, 7.0, arrived=2),
    Fault.SERVER_ERROR: Outcome(InferenceServerError, 500, True, None, arrived=2),
    Fault.TIMEOUT: Outcome(InferenceTimeoutError, None, True, None, arrived=2),
    Fault.STALLED: Outcome(InferenceTimeoutError, None, True, None, arrived=2),
    Fault.CONNECTION_REFUSED: Outcome(InferenceConnectionError, None, True, None, arrived=0),
    Fault.MALFORMED: Outcome(InferenceInvalidAnswerError, None, False, None, arrived=1),
    Fault.TRUNCATED: Outcome(InferenceServerError, None, True, None, arrived=2),
}
SILENT = (Fault.TIMEOUT, Fault.STALLED)
CHARGED_ON_ARRIVAL = {
    Fault.SERVER_ERROR: EXPECTED[Fault.SERVER_ERROR]._replace(arrived=1),
    Fault.TIMEOUT: Outcome(InferenceAmbiguousError, None, False, None, arrived=1),
    Fault.STALLED: Outcome(InferenceAmbiguousError, None, False, None, arrived=1),
    Fault.TRUNCATED: EXPECTED[Fault.TRUNCATED]._replace(arrived=1),
}
"""What is different for images: a request that may have been carried out is not sent a second time."""
EXCEPTIONS = {
    # this SDK's exception has a status where the answer could not be read
    ("mistral llm", Fault.MALFORMED): EXPECTED[Fault.MALFORMED]._replace(status=200),
    ("mistral extract", Fault.MALFORMED): EXPECTED[Fault.MALFORMED]._replace(status=200),
}
ONE_A_CLIENT = (
    *("openai", "openai_responses", "openai_img_gen", "azure_rest_img_gen", "anthropic", "bedrock_aioboto"),
    *("mistral llm", "google llm", "fal", "huggingface_img_gen", "linkup", "openrouter"),
)
"""A driver of each kind of client, which run every time."""
REQUEST_ID_HEADERS = {
    "openai": "x-request-id",  # https://platform.openai.com/docs/api-reference/debugging-requests
    "azure": "apim-request-id",
    "gateway": "x-litellm-call-id",  # https://docs.litellm.ai/docs/proxy/response_headers
    "portkey": "x-portkey-trace-id",  # https://portkey.ai/docs/api-reference/response-schema
    "anthropic": "request-id",  # https://platform.claude.com/docs/en/api/errors
    "bedrock": "x-amzn-requestid",
    "mistral": "mistral-correlation-id",
    "fal": "x-fal-request-id",
    "huggingface": "x-request-id",
}
"""How each vendor names the id of a request in its answers. Google, Linkup and OpenRouter document none."""


def expected(name: str, fault: Fault) -> Outcome:
    """Look the outcome up in the tables."""
    rule = EXPECTED | (CHARGED_ON_ARRIVAL if DRIVERS[name].family is InferenceFamily.IMG_GEN else {})
    outcome = EXCEPTIONS.get((name, fault), rule[fault])
    answers_with_a_status = rule[fault].status is not None
    return outcome._replace(request_id="id-of-the-request" if answers_with_a_status and _id_header(name) else None)


def outcome_of(name: str, fault: Fault) -> Outcome:
    """Let a driver's call meet a fault."""
    with DRIVERS[name].vendor() as vendor:
        assert isinstance(vendor, LoopbackVendor)
        vendor.fail_with(fault)
        _name_requests(vendor, _id_header(name))
        client = IMPATIENT if fault in SILENT else PATIENT
        worker = (
            client if name.startswith("linkup") else PATIENT
        )  # its SDK is told the limit of each call, by the worker
        return _outcome(name, fault, vendor, worker=worker, client=client)


def outcome_on_the_way(name: str, policy: CallPolicy) -> Outcome:
    """Let a driver's call wait for a connection that does not come about."""
    with DRIVERS[name].vendor() as vendor, Deaf() as deaf:
        return _outcome(name, Fault.CONNECTION_REFUSED, vendor, worker=policy, client=policy, endpoint=deaf.url)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in SILENT])
@pytest.mark.parametrize("name", heavy_but(*ONE_A_CLIENT, names=DRIVERS))
@pytest.mark.usefixtures("pauses")
def test_a_fault_becomes_its_kind_and_is_repeated_or_not(name: str, fault: Fault) -> None:
    assert expected(name, fault) == outcome_of(name, fault)


@pytest.mark.parametrize("fault", SILENT)
@pytest.mark.parametrize("name", heavy_but("openai", "bedrock_boto3", names=DRIVERS))
@pytest.mark.usefixtures("pauses")
def test_silence_becomes_its_kind_and_is_repeated_or_not(name: str, fault: Fault) -> None:
    assert expected(name, fault) == outcome_of(name, fault)


@pytest.mark.parametrize("name", DRIVERS)
@pytest.mark.usefixtures("pauses")
def test_a_connection_that_does_not_come_about_is_given_up_long_before_an_answer_is(name: str) -> None:
    assert expected(name, Fault.CONNECTION_REFUSED) == outcome_on_the_way(name, HASTY)


@pytest.mark.parametrize(
    "name", heavy_but("openai", "mistral llm", "bedrock_boto3", "bedrock_aioboto", "fal", names=DRIVERS)
)
def test_an_https_address_of_a_server_without_tls_is_no_outage(name: str) -> None:
    driver = DRIVERS[name]
    with driver.vendor() as vendor:
        url = (vendor.endpoint or "").replace("http://", "https://")
        error = play(driver, lambda _, worker: _failure(driver, worker), vendor=vendor, endpoint=url)
    assert InferenceRequestError is type(error), error
    assert "no TLS" in error.message


@pytest.mark.usefixtures("pauses")
def test_a_limit_for_the_connection_that_is_not_kept_turns_the_table_red() -> None:
    with pytest.raises(AssertionError, match="InferenceTimeoutError"):
        outcome_on_the_way("openai", IMPATIENT)


def test_no_driver_is_left_out() -> None:
    in_process = {"llama_cpp", "pypdfium2", "docling_sdk"}
    registered = {key for plugin in BUILTIN_PLUGINS for key in _registered(plugin) if key[1] not in in_process}
    assert registered == {(driver.family, driver.sdk) for driver in DRIVERS.values()}


def test_a_wrong_kind_turns_the_table_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: object, error: Exception) -> InferenceError:
        return InferenceServerError(str(error), provider="kit", model="kit/model", status_code=401)

    monkeypatch.setattr(OpenAICompletionsWorker, "_classify_error", wrong)
    with pytest.raises(AssertionError, match="InferenceServerError"):
        test_a_fault_becomes_its_kind_and_is_repeated_or_not("openai", Fault.UNAUTHORIZED)


def _outcome(name: str, fault: Fault, vendor: FakeVendor[Any], **call: Any) -> Outcome:
    driver = DRIVERS[name]
    error = play(driver, lambda _, worker: _failure(driver, worker), vendor=vendor, **call)
    check_kind(error, fault=fault, model=driver.model())  # what the kit asks of a stranger
    return Outcome(
        kind=type(error),
        status=error.status_code,
        retryable=error.retryable,
        retry_after=error.retry_after,
        arrived=len(vendor.requests),
        request_id=error.request_id,
    )


def _id_header(name: str) -> str | None:
    return next((header for vendor, header in REQUEST_ID_HEADERS.items() if name.startswith(vendor)), None)


def _name_requests(vendor: LoopbackVendor[Any], header: str | None) -> None:
    """Let the vendor's answers bear an id under this name and no other."""
    serve = vendor.server.serve

    def named(request: HttpRequest) -> HttpReply:
        reply = serve(request)
        others = {name: value for name, value in reply.headers.items() if "request" not in name}
        return replace(reply, headers=others | ({header: "id-of-the-request"} if header else {}))

    vendor.server.serve = named


async def _failure(driver: AnyDriver, worker: Any) -> InferenceError:
    with pytest.raises(InferenceError) as caught:
        await driver._call(worker, new_token(), None)
    return caught.value


def _registered(plugin: PipelexPlugin) -> Iterable[tuple[InferenceFamily, str]]:
    registrar = PluginRegistrar(plugin_name=plugin.name)
    plugin.register(registrar)
    return registrar.inference_backends
