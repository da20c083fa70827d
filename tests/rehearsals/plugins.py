"""Plugins of other shapes than the example: each spells what it does in another way."""

from __future__ import annotations

from tests.acme.listing import LISTING, METADATA

_PYPROJECT = """\
[project]
name = "{name}"
version = "1.0"

[project.entry-points."pipelex.plugins"]  # found by this
{name} = "{target}"
"""

SINGLE = {
    "pyproject.toml": _PYPROJECT.format(name="single", target="single_plugin:SinglePlugin"),
    "single_plugin.py": '''\
"""One module: a callable object makes the worker, names come under aliases."""

from pipelex.cogt.inference.inference_result import FinishReason as Why, InferenceResult as Result
from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.cogt.llm.llm_job import LLMJob
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract as Base
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.reporting_protocol import ReportingProtocol


class Echo(Base):
    """Says what it is told."""

    async def _gen_text(self, job: "LLMJob") -> "Result[str]":
        return Result(content=job.prompt.user_text or "", finish_reason=Why.STOP)


class Maker:
    """Makes the worker."""

    def __call__(
        self,
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: "ReportingProtocol | None",
    ) -> InferenceWorkerAbstract:
        """Make it; the backend has no say."""
        assert backend.name
        return Echo(inference_model=inference_model, reporting_delegate=reporting_delegate)


class SinglePlugin:
    """The plugin."""

    name = "single"
    targets_api = 1  # the number it was written with

    def register(self, registrar: PluginRegistrar) -> None:
        """Contribute."""
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="single", make_worker=Maker())
''',
}

TABLE = {
    "pyproject.toml": _PYPROJECT.format(name="table", target="table_pkg.plugin:make_plugin"),
    "table_pkg/__init__.py": "",
    "table_pkg/workers.py": '''\
"""Two workers with a base of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.inference.inference_result import (
    FinishReason,  # why it stopped
    InferenceResult,
)
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import LLMJob


class OwnBase(LLMWorkerAbstract):
    """What both have in common."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return InferenceResult(content=self._answer(job), finish_reason=FinishReason.STOP)

    def _answer(self, job: LLMJob) -> str:
        return job.prompt.user_text or ""


class Loud(OwnBase):
    """Shouts."""

    def _answer(self, job: LLMJob) -> str:
        return super()._answer(job).upper()


class Quiet(OwnBase):
    """Whispers."""

    def _answer(self, job: LLMJob) -> str:
        return super()._answer(job).lower()
''',
    "table_pkg/plugin.py": '''\
"""A table of sdks, and a factory of closures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.plugins.inference_backend_registry import InferenceFamily, MakeWorkerFn

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol

SDKS = ("loud", "quiet")
API = 1


def maker(sdk: str) -> MakeWorkerFn:
    """Return what makes the workers of an sdk."""

    def make_worker(
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        from table_pkg.workers import Loud, Quiet

        worker = Loud if sdk == "loud" and backend.name else Quiet
        return worker(inference_model=inference_model, reporting_delegate=reporting_delegate)

    return make_worker


class TablePlugin:
    """The plugin."""

    def __init__(self) -> None:
        self.name = "table"
        self.targets_api = API

    def register(self, registrar: PluginRegistrar) -> None:
        """Contribute."""
        for sdk in SDKS:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk=sdk, make_worker=maker(sdk))


def make_plugin() -> TablePlugin:
    """Make the plugin."""
    return TablePlugin()
''',
}

SOURCE = {
    "pyproject.toml": _PYPROJECT.format(name="source", target="source_pkg.plugin:SourcePlugin"),
    "src/source_pkg/__init__.py": "",
    "src/source_pkg/worker.py": '''\
"""A worker that imports what it needs where it needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
    from pipelex.cogt.llm.llm_job import LLMJob


class SourceWorker(LLMWorkerAbstract):
    """Stops for many reasons."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        from pipelex.cogt.inference.inference_result import InferenceResult

        return InferenceResult(content="", finish_reason=self._why(""))

    def _why(self, word: str) -> FinishReason:
        from pipelex.cogt.inference.inference_result import FinishReason

        return {"length": FinishReason.LENGTH}.get(word, FinishReason.OTHER)
''',
    "src/source_pkg/plugin.py": '''\
"""A method makes the worker, through a function that is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol


def _make(
    *,
    inference_model: InferenceModelSpec,
    backend: InferenceBackend,
    sdk_clients: SdkClientRegistry,
    reporting_delegate: ReportingProtocol | None,
) -> InferenceWorkerAbstract:
    """Make a worker.

    Args:
        inference_model: The model.
        backend: Where it runs.
        sdk_clients: The clients.
        reporting_delegate: Where it reports.
    """
    from source_pkg.worker import SourceWorker

    del backend
    return SourceWorker(inference_model=inference_model, reporting_delegate=reporting_delegate)


async def _list(
    *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
) -> Sequence[ListedModel] | None:
    print(sdk, backend_name, backend.name, flat, any_listed)
    return None


class SourcePlugin:
    """The plugin."""

    @property
    def name(self) -> str:
        """Its name."""
        return "source"

    @property
    def targets_api(self) -> int:
        """Its version."""
        return 1

    def register(self, registrar: PluginRegistrar) -> None:
        """Contribute."""
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="source", make_worker=_make)
        registrar.add_model_lister(sdk="source", lister=_list)
''',
}

ODD = {
    "pyproject.toml": _PYPROJECT.format(name="odd", target="odd_pkg.plugin:PLUGIN"),
    "odd_pkg/__init__.py": "",
    "odd_pkg/names.py": '''\
"""What this plugin needs of the API, in one place."""

import sys

if sys.version_info >= (3, 11):
    from pipelex.cogt.inference.inference_result import FinishReason as Why, InferenceResult as Result
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract as Base
else:
    raise ImportError("Python 3.11 or later")

__all__ = ["Base", "Result", "Why"]
''',
    "odd_pkg/workers.py": '''\
"""A subclass of a subclass; the names come from a module of the plugin's own."""

from odd_pkg import names as n
from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.llm.llm_job import LLMJob


class First(n.Base):
    """The first generation."""

    async def _gen_text(self, job: LLMJob) -> "n.Result[str]":
        return n.Result(content=job.prompt.user_text or "")

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return InferenceError(str(error)) if isinstance(error, OSError) else None


class Second(First):
    """The second one asks the first."""

    async def _gen_text(self, job: LLMJob) -> "n.Result[str]":
        found = await super()._gen_text(job)
        return found if found.content else n.Result(content="nothing", finish_reason=n.Why.OTHER)

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return super()._classify_error(error)
''',
    "odd_pkg/plugin.py": '''\
"""A router between partials, behind a decorator, in a dataclass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial, wraps

from odd_pkg.workers import First, Second
from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily, MakeWorkerFn
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.reporting_protocol import ReportingProtocol

Worker = type[First]


def _counted(make: MakeWorkerFn) -> MakeWorkerFn:
    """Count the workers that are made."""
    count = 0

    @wraps(make)
    def counted(
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        nonlocal count
        count += 1
        return make(
            inference_model=inference_model,
            backend=backend,
            sdk_clients=sdk_clients,
            reporting_delegate=reporting_delegate,
        )

    return counted


def _make(
    worker: Worker,
    *,
    inference_model: InferenceModelSpec,
    backend: InferenceBackend,
    sdk_clients: SdkClientRegistry,
    reporting_delegate: ReportingProtocol | None,
) -> InferenceWorkerAbstract:
    return worker(inference_model=inference_model, reporting_delegate=reporting_delegate)


async def _rows(
    *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
) -> Sequence[ListedModel]:
    del flat, any_listed
    return [ListedModel(id=f"{sdk}/{backend_name}", owner=backend.name)]


@dataclass
class OddPlugin:
    """The plugin."""

    name: str = "odd"
    targets_api: int = 1
    makers: dict[str, MakeWorkerFn] = field(
        default_factory=lambda: {"first": partial(_make, First), "second": partial(_make, Second)}
    )

    def make(
        self,
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        """Make the worker that the model's name asks for."""
        maker = self.makers.get(inference_model.name, self.makers["first"])
        return maker(
            inference_model=inference_model,
            backend=backend,
            sdk_clients=sdk_clients,
            reporting_delegate=reporting_delegate,
        )

    async def models(
        self, *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
    ) -> Sequence[ListedModel] | None:
        """List the models, except to those who saw some."""
        if any_listed:
            return None
        return await _rows(sdk=sdk, backend_name=backend_name, backend=backend, flat=flat, any_listed=any_listed)

    def register(self, registrar: PluginRegistrar) -> None:
        """Contribute."""
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="odd", make_worker=_counted(self.make))
        registrar.add_model_lister(sdk="odd", lister=self.models)


PLUGIN = OddPlugin()
''',
}

LISTERS = {
    "pyproject.toml": _PYPROJECT.format(name="lst", target="lst_plugin:LstPlugin"),
    "lst_worker.py": '''\
"""The worker of the models that are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import LLMJob


class ListedWorker(LLMWorkerAbstract):
    """Answers with the prompt."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return InferenceResult(content=job.prompt.user_text or "", finish_reason=FinishReason.STOP)
''',
    "lst_plugin.py": '''\
"""Listers of several shapes: a callable object, one with ``**more``, one that a function makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.model_lister_registry import ListModelsFn
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol


class Lister:
    """A callable object."""

    async def __call__(
        self,
        *,
        sdk: str,
        backend_name: str,
        backend: InferenceBackend,
        flat: bool,
        any_listed: bool,
    ) -> Sequence[ListedModel]:
        """List one model."""
        from pipelex.cogt.model_backends.listed_model import ListedModel

        print(flat or any_listed)
        return [ListedModel(id=sdk, owner=backend.name)]


LISTER = Lister()


async def forward(*, sdk: str, **more: Any) -> Sequence[ListedModel]:  # pipelex: allow[PX502] it passes all on
    """Pass everything on."""
    return await LISTER(sdk=sdk.removeprefix("more-"), **more)


def lister_for(prefix: str) -> ListModelsFn:
    """Return a lister of models whose names begin so."""

    async def listed(
        *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
    ) -> Sequence[ListedModel] | None:
        found = await LISTER(
            sdk=prefix + sdk, backend_name=backend_name, backend=backend, flat=flat, any_listed=not any_listed
        )
        return found

    return listed


def make_worker(
    *,
    inference_model: InferenceModelSpec,
    backend: InferenceBackend,
    sdk_clients: SdkClientRegistry,
    reporting_delegate: ReportingProtocol | None,
) -> InferenceWorkerAbstract:
    """Make a worker."""
    from lst_worker import ListedWorker

    return ListedWorker(inference_model=inference_model, reporting_delegate=reporting_delegate)


class LstPlugin:
    """The plugin."""

    name = "lst"

    @property
    def targets_api(self) -> int:
        """The version that it was written against."""
        return 1

    def register(self, registrar: PluginRegistrar) -> None:
        """Contribute."""
        for sdk in ("lst", "more-lst", "made-lst"):
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk=sdk, make_worker=make_worker)
        registrar.add_model_lister(sdk="lst", lister=LISTER)
        registrar.add_model_lister(sdk="more-lst", lister=forward)
        registrar.add_model_lister(sdk="made-lst", lister=lister_for("made-"))
''',
}

PAGE = {"pyproject.toml": METADATA, "my_pkg/__init__.py": "", "my_pkg/acme_plugin.py": LISTING}
"""The page's own listing, which states no version; its worker is not there, so that it is any."""

SHAPES = {"single": SINGLE, "table": TABLE, "source": SOURCE, "odd": ODD, "lst": LISTERS, "page": PAGE}
