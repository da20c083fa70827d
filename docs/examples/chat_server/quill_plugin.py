"""A plugin for servers that speak chat completions: streams, tools, conversations, answers that fit a schema."""

from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily, require_sdk
from pipelex.plugins.model_handle import ModelHandle
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.plugins.sdk_client_registry import PerLoopClient, SdkClientRegistry
from pipelex.reporting.reporting_protocol import ReportingProtocol


def make_worker(
    *,
    inference_model: InferenceModelSpec,
    backend: InferenceBackend,
    sdk_clients: SdkClientRegistry,
    reporting_delegate: ReportingProtocol | None,
) -> InferenceWorkerAbstract:
    require_sdk(spec="httpx", extra="quill", msg="httpx is required in order to call a Quill server.")
    from httpx import AsyncClient, Timeout
    from quill_worker import QuillWorker

    timeout = Timeout(backend.policy.timeout_s, connect=backend.policy.connect_timeout_s)
    address, headers = backend.endpoint or "", {"Authorization": f"Bearer {backend.api_key}"}
    client = sdk_clients.get_or_create(
        handle=ModelHandle.make_for_inference_model(inference_model=inference_model),
        build=lambda: PerLoopClient(lambda: AsyncClient(base_url=address, headers=headers, timeout=timeout)),
    )
    return QuillWorker(sdk_instance=client, inference_model=inference_model, reporting_delegate=reporting_delegate)


class QuillPlugin:
    """Serves the models whose sdk is ``quill``."""

    name = "quill"
    targets_api = 1

    def register(self, registrar: PluginRegistrar) -> None:
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="quill", make_worker=make_worker)
