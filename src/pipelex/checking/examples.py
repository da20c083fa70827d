"""The sample plugin that the examples of the rules are laid over. It is clean."""

from __future__ import annotations

from pipelex.spi.call_shapes import LIST_MODELS, MAKE_WORKER, import_block, shipped_call_shape

PACKAGE = "src/my_pkg"

PYPROJECT = """\
[project]
name = "my-plugin"
version = "0.1.0"

[project.optional-dependencies]
acme = ["acme-sdk>=1"]

[project.entry-points."pipelex.plugins"]
acme = "my_pkg.plugin:AcmePlugin"
"""

PLUGIN = """\
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.registrar import PluginRegistrar

from my_pkg.closures import list_acme_models, make_acme_worker


class AcmePlugin:
    name = "acme"
    targets_api = 1

    def register(self, registrar: PluginRegistrar) -> None:
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make_acme_worker)
        registrar.add_model_lister(sdk="acme", lister=list_acme_models)
"""

_MAKE_WORKER = shipped_call_shape(MAKE_WORKER)
_LIST_MODELS = shipped_call_shape(LIST_MODELS)

CLOSURES = f"""\
{import_block(_MAKE_WORKER, _LIST_MODELS, "pipelex.plugins.inference_backend_registry:require_sdk")}


def make_acme_worker(
    *,
{_MAKE_WORKER.lines()}) -> {_MAKE_WORKER.returns}:
    require_sdk(spec="acme", extra="acme", msg="Acme models need the acme SDK.")
    from my_pkg.worker import AcmeLLMWorker

    return AcmeLLMWorker(inference_model=inference_model, reporting_delegate=reporting_delegate)


async def list_acme_models(
    *,
{_LIST_MODELS.lines()}) -> {_LIST_MODELS.returns}:
    return [ListedModel(id="acme-1")]
"""

WORKER = """\
import acme

from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.llm.llm_job import LLMJob
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract


class AcmeLLMWorker(LLMWorkerAbstract):
    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        answer: str = await acme.complete(job.prompt.user_text)
        return InferenceResult(content=answer)
"""

SAMPLE = {
    "pyproject.toml": PYPROJECT,
    f"{PACKAGE}/__init__.py": "",
    f"{PACKAGE}/plugin.py": PLUGIN,
    f"{PACKAGE}/closures.py": CLOSURES,
    f"{PACKAGE}/worker.py": WORKER,
}
"""The files of the sample, by their path in its folder."""


def helper(text: str) -> dict[str, str]:
    """Add a module that nothing imports.

    Args:
        text: Its text.
    """
    return {f"{PACKAGE}/helper.py": text}


def plugin(old: str, new: str) -> dict[str, str]:
    """Change the plugin's module in one place.

    Args:
        old: What stands there.
        new: What takes its place.
    """
    return {f"{PACKAGE}/plugin.py": _changed(PLUGIN, old, new)}


def closures(old: str, new: str) -> dict[str, str]:
    """Change the module of the two closures in one place.

    Args:
        old: What stands there.
        new: What takes its place.
    """
    return {f"{PACKAGE}/closures.py": _changed(CLOSURES, old, new)}


def worker(old: str, new: str) -> dict[str, str]:
    """Change the worker's module in one place.

    Args:
        old: What stands there.
        new: What takes its place.
    """
    return {f"{PACKAGE}/worker.py": _changed(WORKER, old, new)}


def pyproject(old: str, new: str) -> dict[str, str]:
    """Change ``pyproject.toml`` in one place.

    Args:
        old: What stands there.
        new: What takes its place.
    """
    return {"pyproject.toml": _changed(PYPROJECT, old, new)}


def _changed(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        msg = f"{old!r} does not stand exactly once in the sample"
        raise ValueError(msg)
    return text.replace(old, new)
