"""A plugin whose worker answers at once, in this process; it is the only one."""

from pipelex.cogt.llm.llm_job import LLMAnswer
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.generated import builtins
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage

MODEL = InferenceModelSpec(
    name="instant", family=InferenceFamily.LLM, backend_name="openai", sdk="instant", model_id="instant"
)


class Worker(LLMWorkerAbstract):
    async def _generate(self, job):
        return LLMAnswer(text=job.prompt.user_text, usage=InferenceUsage(input_tokens=3, output_tokens=2))


class Plugin:
    name = "instant"
    targets_api = PLUGIN_API_VERSION

    def register(self, registrar):
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="instant", make_worker=make_worker)


def make_worker(*, inference_model, backend, sdk_clients, reporting_delegate):  # noqa: ARG001 - the contract's
    return Worker(inference_model=inference_model, reporting_delegate=reporting_delegate)


builtins.BUILTIN_PLUGINS = (Plugin(),)
