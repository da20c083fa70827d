"""The sample plugin that the examples of the rules are laid over. It is clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.spi.call_shapes import LIST_MODELS, MAKE_WORKER, import_block, shipped_call_shape

if TYPE_CHECKING:
    from pipelex.spi.call_shapes import CallParameter, CallShape

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
_IMPORTS = import_block(_MAKE_WORKER, _LIST_MODELS, "pipelex.plugins.inference_backend_registry:require_sdk")

CLOSURES = f"""\
{_IMPORTS}


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
        old: The text that is replaced.
        new: What takes its place.
    """
    return {f"{PACKAGE}/plugin.py": _changed(PLUGIN, old, new)}


def closures(old: str, new: str) -> dict[str, str]:
    """Change the module of the two closures in one place.

    Args:
        old: The text that is replaced.
        new: What takes its place.
    """
    return {f"{PACKAGE}/closures.py": _changed(CLOSURES, old, new)}


def closures_importing(text: str) -> dict[str, str]:
    """Add lines below the imports of the module of the two closures.

    Args:
        text: The lines.
    """
    return closures(_IMPORTS, f"{_IMPORTS}\n\n{text.rstrip()}")


def misspelled_keyword(protocol: str) -> dict[str, str]:
    """Leave out the last letter of a closure's keyword: the one that the sample's other closure does not take.

    Args:
        protocol: The call shape of the closure.
    """
    keyword = _own_keyword(protocol)
    old = f"    {keyword},\n"
    return closures(old, old.replace(f"{keyword.name}:", f"{keyword.name[:-1]}:"))


def quoted_keyword(protocol: str) -> dict[str, str]:
    """Put the annotation of the same keyword in quotes.

    Args:
        protocol: The call shape of the closure.
    """
    keyword = _own_keyword(protocol)
    return closures(f"    {keyword},\n", f'    {keyword.name}: "{keyword.annotation}",\n')


def _own_keyword(protocol: str) -> CallParameter:
    shapes: dict[str, CallShape] = {MAKE_WORKER: _MAKE_WORKER, LIST_MODELS: _LIST_MODELS}
    others = {one for name, shape in shapes.items() if name != protocol for one in shape.parameters}
    return next(one for one in reversed(shapes[protocol].parameters) if one not in others)


def worker(old: str, new: str) -> dict[str, str]:
    """Change the worker's module in one place.

    Args:
        old: The text that is replaced.
        new: What takes its place.
    """
    return {f"{PACKAGE}/worker.py": _changed(WORKER, old, new)}


def pyproject(old: str, new: str) -> dict[str, str]:
    """Change ``pyproject.toml`` in one place.

    Args:
        old: The text that is replaced.
        new: What takes its place.
    """
    return {"pyproject.toml": _changed(PYPROJECT, old, new)}


def _changed(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        msg = f"{old!r} is not exactly once in the sample"
        raise ValueError(msg)
    return text.replace(old, new)
