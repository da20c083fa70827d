"""Each kind of change: the plugin before, the plugin after, and nothing touched that only looks alike."""

from __future__ import annotations

from textwrap import dedent

import pytest

from pipelex.checking.targets import resolve
from pipelex.upgrading.errors import UpgradeError
from pipelex.upgrading.upgrade import upgrade
from tests.heavy import heavy_but
from tests.upgrading.conftest import World, change

REGISTRY = "pipelex.plugins.inference_backend_registry"
LLM = "pipelex.cogt.llm.llm_worker_abstract"
SEARCH = "pipelex.cogt.search.search_worker_abstract"
RESULT = "pipelex.cogt.inference.inference_result"

SHAPE = """
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.inference_backend_registry import InferenceFamily, MakeWorkerFn
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol

"""

HOOK = """
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

"""


def check(world: World, before: str, after: str, *, head: str = "") -> None:
    """Upgrade a module, compare it, and upgrade it once more in vain."""
    world.write(plugin=dedent(head) + dedent(before))
    done = world.upgrade(since=1)
    assert [] == done.left
    assert (dedent(head) + dedent(after)).lstrip("\n") == world.read()
    [again] = [world.upgrade()]
    assert (2, []) == (again.old, again.changed)


def rename_backend(world: World) -> None:
    """Let the call shape of a backend take ``config``, no longer ``backend``."""
    world.edit(REGISTRY, "backend: InferenceBackend", "config: InferenceBackend")
    world.changes = [change("parameter-renamed", f"{REGISTRY}:MakeWorkerFn", "backend", "config")]


def test_a_renamed_parameter_is_renamed_in_the_signature_the_body_and_the_docstring(world: World) -> None:
    """What shadows it, a keyword of the same name and an attribute of the same name stay."""
    rename_backend(world)
    check(
        world,
        '''
        def other(*, backend: str) -> str:
            return backend

        def make(
            *,
            inference_model: InferenceModelSpec,
            backend: InferenceBackend,  # a comment
            sdk_clients: SdkClientRegistry,
            reporting_delegate: ReportingProtocol | None,
        ) -> InferenceWorkerAbstract:
            """Make it.

            Args:
                backend: The backend.
                inference_model: The model of the backend.
            """
            other(backend=f"{backend.name}{inference_model.backend_name}")
            inner = lambda: backend.name
            shadow = lambda backend: backend
            names = [backend for backend in inference_model.name]
            raise ValueError(inner, shadow, names, backend)

        class Plugin:
            name = "acme"
            targets_api = 1

            def register(self, registrar: PluginRegistrar) -> None:
                registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make)
        ''',
        '''
        def other(*, backend: str) -> str:
            return backend

        def make(
            *,
            inference_model: InferenceModelSpec,
            config: InferenceBackend,  # a comment
            sdk_clients: SdkClientRegistry,
            reporting_delegate: ReportingProtocol | None,
        ) -> InferenceWorkerAbstract:
            """Make it.

            Args:
                config: The backend.
                inference_model: The model of the backend.
            """
            other(backend=f"{config.name}{inference_model.backend_name}")
            inner = lambda: config.name
            shadow = lambda backend: backend
            names = [backend for backend in inference_model.name]
            raise ValueError(inner, shadow, names, config)

        class Plugin:
            name = "acme"
            targets_api = 2

            def register(self, registrar: PluginRegistrar) -> None:
                registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make)
        ''',
        head=SHAPE,
    )


def test_a_renamed_parameter_that_is_bound_anew_keeps_one_name(world: World) -> None:
    rename_backend(world)
    before = """
        def make(
            *,
            inference_model: InferenceModelSpec,
            backend: InferenceBackend,
            sdk_clients: SdkClientRegistry,
            reporting_delegate: ReportingProtocol | None,
        ) -> InferenceWorkerAbstract:
            first = backend
            backend = backend or first
            if (backend := first):
                print(f"{backend.name!r:>10}", backend . name)
            for backend in [first]:
                print(backend)
            raise ValueError("backend")

        MAKE: MakeWorkerFn = make
        targets_api = 1
        """
    after = (
        before.replace("backend: Inf", "config: Inf").replace("= backend", "= config").replace("backend =", "config =")
    )
    after = after.replace("(backend", "(config").replace("{backend", "{config").replace("backend .", "config .")
    after = after.replace("for backend", "for config").replace("= 1", "= 2")
    check(world, before, after, head=SHAPE)


def test_every_shape_of_an_implementation_follows(world: World) -> None:
    """A method, a callable object, what a partial wraps, what a factory returns, a table; who calls one follows too."""
    rename_backend(world)
    parameters = (
        "*, inference_model: InferenceModelSpec, backend: InferenceBackend, sdk_clients: SdkClientRegistry, "
        "reporting_delegate: ReportingProtocol | None"
    )
    names = ("inference_model", "backend", "sdk_clients", "reporting_delegate")
    passed = ", ".join(f"{name}={name}" for name in names)
    before = f"""
        from functools import partial

        def plain({parameters}) -> InferenceWorkerAbstract:
            raise ValueError(backend)

        def wrapped(extra: int, {parameters}) -> InferenceWorkerAbstract:
            return plain({passed})

        class Callable:
            def __call__(self, {parameters}) -> InferenceWorkerAbstract:
                return plain({passed})

        def factory() -> MakeWorkerFn:
            def inner({parameters}) -> InferenceWorkerAbstract:
                raise ValueError(backend)
            return inner

        TABLE = {{"one": plain, "two": factory()}}

        class Plugin:
            name = "acme"
            targets_api: int = 1

            def make({"self, " + parameters}) -> InferenceWorkerAbstract:
                raise ValueError(backend)

            def register(self, registrar: PluginRegistrar) -> None:
                for sdk, make in TABLE.items():
                    registrar.add_inference_backend(family=InferenceFamily.LLM, sdk=sdk, make_worker=make)
                registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="a", make_worker=partial(wrapped, 1))
                registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="b", make_worker=Callable())
                registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="c", make_worker=self.make)
        """
    after = before.replace("backend: InferenceBackend", "config: InferenceBackend").replace(
        "backend=backend", "config=config"
    )
    after = after.replace("ValueError(backend)", "ValueError(config)").replace("int = 1", "int = 2")
    check(world, before, after, head=SHAPE)


def test_a_renamed_keyword_is_renamed_where_it_is_given_and_nowhere_else(world: World) -> None:
    world.edit("pipelex.plugins.registrar", "sdk: str, make_worker", "sdk_name: str, make_worker")
    world.changes = [
        change(
            "parameter-renamed", "pipelex.plugins.registrar:PluginRegistrar.add_inference_backend", "sdk", "sdk_name"
        )
    ]
    check(
        world,
        """
        from pipelex.plugins.inference_backend_registry import InferenceFamily as Family, MakeWorkerFn
        from pipelex.plugins.registrar import PluginRegistrar as Menu

        class Other:
            def add_inference_backend(self, *, sdk: str) -> None: ...

        class Plugin:
            def __init__(self, make: MakeWorkerFn) -> None:
                self.targets_api = 1
                self._make = make

            def register(self, registrar: Menu) -> None:
                add = registrar
                (add.add_inference_backend)(family=Family.LLM, sdk="é", make_worker=self._make)  # sdk="no"
                Other().add_inference_backend(sdk="acme")
        """,
        """
        from pipelex.plugins.inference_backend_registry import InferenceFamily as Family, MakeWorkerFn
        from pipelex.plugins.registrar import PluginRegistrar as Menu

        class Other:
            def add_inference_backend(self, *, sdk: str) -> None: ...

        class Plugin:
            def __init__(self, make: MakeWorkerFn) -> None:
                self.targets_api = 2
                self._make = make

            def register(self, registrar: Menu) -> None:
                add = registrar
                (add.add_inference_backend)(family=Family.LLM, sdk_name="é", make_worker=self._make)  # sdk="no"
                Other().add_inference_backend(sdk="acme")
        """,
    )


def move_finish_reason(world: World) -> None:
    """Let ``FinishReason`` move to a module of its own."""
    reason = "pipelex.cogt.inference.finish"
    text = (world.stubs(1) / f"{RESULT.replace('.', '/')}.pyi").read_text(encoding="utf-8")
    start, end = text.index("class FinishReason"), text.index("@dataclass")
    head = "from enum import StrEnum\n\n__all__ = ['FinishReason']\n\n"
    world.edit(reason, "", head + text[start:end])
    world.edit(RESULT, text[start:end], "")
    world.edit(RESULT, '["FinishReason", "InferenceResult", ', '["InferenceResult", ')
    world.edit(RESULT, "from enum import StrEnum\n", f"from {reason} import FinishReason\n")
    for user in ("pipelex.cogt.llm.llm_job", "pipelex.reporting.reporting_protocol"):
        line = next(line for line in world.stub(user).split("\n") if line.startswith(f"from {RESULT} import "))
        others = [name for name in line.rpartition(" import ")[2].split(", ") if name != "FinishReason"]
        lines = [f"from {reason} import FinishReason", *(f"from {RESULT} import {name}" for name in others)]
        world.edit(user, line, "\n".join(lines))
    world.changes = [change("symbol-moved", f"{RESULT}:FinishReason", new=f"{reason}:FinishReason")]


def test_a_moved_symbol_is_imported_from_its_new_module_where_it_was_imported(world: World) -> None:
    """Under TYPE_CHECKING, in a function, under an alias, out of several names: each stays where it is."""
    move_finish_reason(world)
    check(
        world,
        """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        from pipelex.cogt.inference.inference_result import (
            FinishReason,  # why
            InferenceResult,
        )

        if TYPE_CHECKING:
            from pipelex.cogt.inference.inference_result import FinishReason as Why

        targets_api = 1

        def f(why: Why) -> InferenceResult[str]:
            from pipelex.cogt.inference.inference_result import FinishReason as Reason, InferenceResult as Result
            return Result(content="", finish_reason=Reason.STOP or FinishReason.STOP or why)
        """,
        """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        from pipelex.cogt.inference.finish import FinishReason
        from pipelex.cogt.inference.inference_result import (
            InferenceResult,
        )

        if TYPE_CHECKING:
            from pipelex.cogt.inference.finish import FinishReason as Why

        targets_api = 2

        def f(why: Why) -> InferenceResult[str]:
            from pipelex.cogt.inference.finish import FinishReason as Reason
            from pipelex.cogt.inference.inference_result import InferenceResult as Result
            return Result(content="", finish_reason=Reason.STOP or FinishReason.STOP or why)
        """,
    )


def test_a_moved_module_takes_all_its_names_along(world: World) -> None:
    """Whatever the module is imported as; a module whose name only begins alike stays."""
    job, moved = "pipelex.cogt.llm.llm_job", "pipelex.cogt.llm.jobs"
    source = world.stubs(2) / "pipelex/cogt/llm/llm_job.pyi"
    source.rename(source.with_name("jobs.pyi"))
    for stub in world.stubs(2).rglob("*.pyi"):
        stub.write_text(stub.read_text(encoding="utf-8").replace(job, moved), encoding="utf-8")
    world.changes = [change("module-moved", f"{job}:*", new=moved)]
    check(
        world,
        """
        from pipelex.cogt.llm.llm_job import LLMJob, LLMPrompt as Prompt
        from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

        targets_api = 1

        def f(worker: LLMWorkerAbstract, job: LLMJob) -> Prompt:
            from pipelex.cogt.llm.llm_job import LLMAnswer
            print(worker, LLMAnswer)
            return job.prompt
        """,
        """
        from pipelex.cogt.llm.jobs import LLMJob, LLMPrompt as Prompt
        from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

        targets_api = 2

        def f(worker: LLMWorkerAbstract, job: LLMJob) -> Prompt:
            from pipelex.cogt.llm.jobs import LLMAnswer
            print(worker, LLMAnswer)
            return job.prompt
        """,
    )


def test_two_versions_are_gone_through_one_after_the_other(world: World) -> None:
    """What the first one renamed, the second moves and renames again; each edit is put down to its version."""
    rename_backend(world)
    world.release()
    world.edit(REGISTRY, "config: InferenceBackend", "settings: InferenceBackend", version=3)
    world.edit(RESULT, '    OTHER = "other"', '    UNKNOWN = "other"', version=3)
    world.changes += [
        change("parameter-renamed", f"{REGISTRY}:MakeWorkerFn", "config", "settings", version=3),
        change("enum-member-renamed", f"{RESULT}:FinishReason.OTHER", new="UNKNOWN", version=3),
    ]
    before = (
        SHAPE
        + f"""
    from {RESULT} import FinishReason

    def make(
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        raise ValueError(backend.name, FinishReason.OTHER)

    class Plugin:
        name = "acme"
        targets_api = 1

        def register(self, registrar: PluginRegistrar) -> None:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make)
    """
    )
    world.write(plugin=before)
    done = world.upgrade()
    assert (1, 3, []) == (done.old, done.new, done.left)
    after = before.replace("backend: Inf", "settings: Inf").replace("backend.name", "settings.name")
    after = after.replace("OTHER", "UNKNOWN").replace("targets_api = 1", "targets_api = 3")
    assert dedent(after).lstrip("\n") == world.read()
    assert {2, 3} == {edit.change.version for edit in done.edits if edit.change.kind == "parameter-renamed"}


def rename_finish_reason(world: World) -> None:
    """Let ``FinishReason`` be called ``StopReason``."""
    world.edit(RESULT, "FinishReason", "StopReason")
    world.edit("pipelex.cogt.llm.llm_job", "FinishReason", "StopReason")
    world.edit("pipelex.reporting.reporting_protocol", "FinishReason", "StopReason")
    world.changes = [change("symbol-renamed", f"{RESULT}:FinishReason", new="StopReason")]


def test_a_renamed_symbol_is_renamed_in_code_and_in_string_annotations(world: World) -> None:
    """A string that is no annotation, an attribute, a keyword and what shadows the name stay."""
    rename_finish_reason(world)
    check(
        world,
        """
        from typing import cast
        from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult

        targets_api = 1
        WORD = "FinishReason"

        def f(a: "FinishReason | None", b: "dict[str, FinishReason | None]", *, FinishReasons: int) -> FinishReason:
            x = cast("FinishReason", a)
            return x or FinishReason.STOP

        def g(FinishReason: str) -> str:
            return FinishReason.upper()
        """,
        """
        from typing import cast
        from pipelex.cogt.inference.inference_result import InferenceResult, StopReason

        targets_api = 2
        WORD = "FinishReason"

        def f(a: "StopReason | None", b: "dict[str, StopReason | None]", *, FinishReasons: int) -> StopReason:
            x = cast("StopReason", a)
            return x or StopReason.STOP

        def g(FinishReason: str) -> str:
            return FinishReason.upper()
        """,
    )


@pytest.mark.parametrize(
    "rest",
    [
        '__all__ = ["FinishReason"]\n',
        "def g(StopReason: int) -> int:\n    return StopReason\n",
    ],
    ids=["exported", "new name taken"],
)
def test_a_renamed_symbol_keeps_its_name_where_renaming_would_change_more(world: World, rest: str) -> None:
    rename_finish_reason(world)
    use = "targets_api = {}\nx = FinishReason.STOP\n"
    check(
        world,
        f"from {RESULT} import FinishReason\n{use.format(1)}{rest}",
        f"from {RESULT} import StopReason as FinishReason\n{use.format(2)}{rest}",
    )


def test_a_renamed_hook_is_renamed_in_every_class_of_the_plugin(world: World) -> None:
    """And where it is called; a method of the same name in another class stays."""
    world.edit(LLM, "_gen_text(", "_make_text(")
    world.changes = [change("hook-renamed", f"{LLM}:LLMWorkerAbstract._gen_text", new="_make_text")]
    before = """
        class Base(LLMWorkerAbstract):
            targets_api = 1

            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                return InferenceResult(content="")

        class Worker(Base):
            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                await self._gen_text(job)
                return await super()._gen_text(job)  # not _gen_text

        class Other:
            def _gen_text(self) -> None:
                return self._gen_text()
        """
    after = before.replace("def _gen_text(self, job", "def _make_text(self, job").replace("= 1", "= 2")
    after = after.replace("await self._gen_text", "await self._make_text").replace(
        "super()._gen_text", "super()._make_text"
    )
    check(world, before, after, head=HOOK)


def test_a_hook_that_became_async_is_async_and_awaited(world: World) -> None:
    base = "pipelex.cogt.inference.inference_worker_abstract"
    world.edit(base, "    def _classify_error", "    async def _classify_error")
    world.changes = [change("async-changed", f"{base}:InferenceWorkerAbstract._classify_error", "sync", "async")]
    check(
        world,
        """
        class Worker(LLMWorkerAbstract):
            targets_api = 1

            def _classify_error(self, error: Exception) -> None:
                super()._classify_error(error)

            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                self._classify_error(ValueError())
                return InferenceResult(content="")
        """,
        """
        class Worker(LLMWorkerAbstract):
            targets_api = 2

            async def _classify_error(self, error: Exception) -> None:
                await super()._classify_error(error)

            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                await self._classify_error(ValueError())
                return InferenceResult(content="")
        """,
        head=HOOK,
    )


def test_a_wrapped_return_is_wrapped_in_every_return(world: World) -> None:
    """That of a nested function stays, and what the base has wrapped already."""
    world.edit(
        SEARCH,
        "json_schema: dict[str, object],\n    ) -> InferenceResult[str]",
        "json_schema: dict[str, object],\n    ) -> str",
        version=1,
    )
    world.changes = [
        change(
            "return-wrapped",
            f"{SEARCH}:SearchWorkerAbstract._search_structured",
            "str",
            "InferenceResult[str]",
            migration="InferenceResult(content={})",
        )
    ]
    check(
        world,
        """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
        if TYPE_CHECKING:
            from pipelex.cogt.search.search_job import SearchJob

        class Worker(SearchWorkerAbstract):
            targets_api = 1

            async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> str:
                def inner() -> str:
                    return "x"
                if not json_schema:
                    return await super()._search_structured(job, json_schema)
                return (
                    inner()
                )
        """,
        """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from pipelex.cogt.inference.inference_result import InferenceResult
        from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
        if TYPE_CHECKING:
            from pipelex.cogt.search.search_job import SearchJob

        class Worker(SearchWorkerAbstract):
            targets_api = 2

            async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> InferenceResult[str]:
                def inner() -> str:
                    return "x"
                if not json_schema:
                    return await super()._search_structured(job, json_schema)
                return InferenceResult(content=(
                    inner()
                ))
        """,
    )


def test_an_added_parameter_is_taken_and_given(world: World) -> None:
    world.edit(
        LLM, "async def _gen_text(self, job: LLMJob)", "async def _gen_text(self, job: LLMJob, seed: int | None)"
    )
    world.changes = [
        change("parameter-added", f"{LLM}:LLMWorkerAbstract._gen_text", new="seed: int | None", migration="seed=None")
    ]
    check(
        world,
        """
        class Worker(LLMWorkerAbstract):
            targets_api = 1

            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                return InferenceResult(content="")

        async def again(worker: LLMWorkerAbstract, job: LLMJob) -> InferenceResult[str]:
            return await worker._gen_text(
                job,
            )
        """,
        """
        class Worker(LLMWorkerAbstract):
            targets_api = 2

            async def _gen_text(self, job: LLMJob, seed: int | None) -> InferenceResult[str]:
                return InferenceResult(content="")

        async def again(worker: LLMWorkerAbstract, job: LLMJob) -> InferenceResult[str]:
            return await worker._gen_text(
                job,
                seed=None,
            )
        """,
        head=HOOK,
    )


def test_a_removed_parameter_is_no_longer_taken_or_given(world: World) -> None:
    world.edit("pipelex.plugins.model_lister_registry", "        any_listed: bool,\n", "")
    world.edit(REGISTRY, "(*, spec: str, extra: str, msg: str)", "(*, spec: str, extra: str)")
    world.changes = [
        change("parameter-removed", "pipelex.plugins.model_lister_registry:ListModelsFn", "any_listed"),
        change("parameter-removed", f"{REGISTRY}:require_sdk", "msg"),
    ]
    check(
        world,
        """
        from pipelex.cogt.model_backends.backend import InferenceBackend
        from pipelex.plugins.inference_backend_registry import require_sdk
        from pipelex.plugins.registrar import PluginRegistrar

        MSG = "needed"

        async def lister(
            *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
        ) -> None:
            require_sdk(spec="acme", extra="acme", msg=MSG)

        def register(registrar: PluginRegistrar, targets_api: int = 1) -> None:
            registrar.add_model_lister(sdk="acme", lister=lister)

        register(PluginRegistrar(), targets_api=1)
        """,
        """
        from pipelex.cogt.model_backends.backend import InferenceBackend
        from pipelex.plugins.inference_backend_registry import require_sdk
        from pipelex.plugins.registrar import PluginRegistrar

        MSG = "needed"

        async def lister(
            *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool
        ) -> None:
            require_sdk(spec="acme", extra="acme")

        def register(registrar: PluginRegistrar, targets_api: int = 1) -> None:
            registrar.add_model_lister(sdk="acme", lister=lister)

        register(PluginRegistrar(), targets_api=2)
        """,
    )


def test_regrouped_parameters_become_one(world: World) -> None:
    world.edit(
        "pipelex.plugins.model_lister_registry",
        "        flat: bool,\n        any_listed: bool,\n",
        "        options: ListingOptions,\n",
    )
    world.edit(
        "pipelex.plugins.model_lister_registry",
        "class ListModelsFn",
        "class ListingOptions:\n    flat: bool\n    any_listed: bool\n"
        "    def __init__(self, *, flat: bool, any_listed: bool) -> None: ...\n\n\nclass ListModelsFn",
    )
    world.edit("pipelex.plugins.model_lister_registry", '["ListModelsFn",', '["ListModelsFn", "ListingOptions",')
    world.changes = [
        change(
            "parameters-regrouped",
            "pipelex.plugins.model_lister_registry:ListModelsFn",
            "flat, any_listed",
            "options: ListingOptions",
            migration="ListingOptions(flat={flat}, any_listed={any_listed})",
        )
    ]
    check(
        world,
        """
        from pipelex.cogt.model_backends.backend import InferenceBackend
        from pipelex.plugins.model_lister_registry import ListModelsFn

        async def lister(
            *,
            sdk: str,
            backend_name: str,
            backend: InferenceBackend,
            flat: bool,
            any_listed: bool,
        ) -> None:
            print(flat, any_listed)

        LISTER: ListModelsFn = lister
        targets_api = 1

        async def again(backend: InferenceBackend) -> None:
            await LISTER(sdk="", backend_name="", backend=backend, flat=not 1, any_listed=False)
        """,
        """
        from pipelex.cogt.model_backends.backend import InferenceBackend
        from pipelex.plugins.model_lister_registry import ListingOptions, ListModelsFn

        async def lister(
            *,
            sdk: str,
            backend_name: str,
            backend: InferenceBackend,
            options: ListingOptions,
        ) -> None:
            print(options.flat, options.any_listed)

        LISTER: ListModelsFn = lister
        targets_api = 2

        async def again(backend: InferenceBackend) -> None:
            await LISTER(sdk="", backend_name="", backend=backend, options=ListingOptions(flat=not 1, any_listed=False))
        """,
    )


def test_a_required_member_is_written_once_where_it_is_inherited_from(world: World) -> None:
    world.edit(
        LLM,
        "    async def _gen_text(",
        "    @abstractmethod\n    def _count(self, job: LLMJob) -> int: ...\n\n    async def _gen_text(",
    )
    world.edit(LLM, "from collections.abc import", "from abc import abstractmethod\nfrom collections.abc import")
    world.changes = [
        change(
            "abstract-added",
            f"{LLM}:LLMWorkerAbstract._count",
            migration="def _count(self, job: LLMJob) -> int:\n    return len(job.prompt.user_text or '')",
        )
    ]
    check(
        world,
        """
        class Base(LLMWorkerAbstract):
            targets_api = 1

            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                return InferenceResult(content="")  # so far

        class Worker(Base):
            pass
        """,
        """
        class Base(LLMWorkerAbstract):
            targets_api = 2

            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                return InferenceResult(content="")  # so far

            def _count(self, job: LLMJob) -> int:
                return len(job.prompt.user_text or '')

        class Worker(Base):
            pass
        """,
        head=HOOK,
    )


def test_fields_and_enum_members_are_renamed_where_they_are_theirs(world: World) -> None:
    world.edit(RESULT, "    model_served:", "    served_by:")
    world.edit(RESULT, '    OTHER = "other"', '    UNKNOWN = "other"')
    world.changes = [
        change("field-renamed", f"{RESULT}:InferenceResult.model_served", new="served_by"),
        change("enum-member-renamed", f"{RESULT}:FinishReason.OTHER", new="UNKNOWN"),
    ]
    check(
        world,
        """
        from dataclasses import replace
        from enum import Enum
        from pipelex.cogt.inference.inference_result import FinishReason as Why, InferenceResult

        class Mine(Enum):
            OTHER = 1

        targets_api = 1
        result = InferenceResult(content="", model_served="x", finish_reason=Why.OTHER)
        result = replace(result, model_served="y")
        print(result.model_served, Mine.OTHER, {"model_served": Why["STOP"]})
        """,
        """
        from dataclasses import replace
        from enum import Enum
        from pipelex.cogt.inference.inference_result import FinishReason as Why, InferenceResult

        class Mine(Enum):
            OTHER = 1

        targets_api = 2
        result = InferenceResult(content="", served_by="x", finish_reason=Why.UNKNOWN)
        result = replace(result, served_by="y")
        print(result.served_by, Mine.OTHER, {"model_served": Why["STOP"]})
        """,
    )


def test_the_entry_point_group_is_renamed_in_the_metadata_with_its_comments(world: World) -> None:
    world.changes = [
        change("entry-point-group-changed", "pipelex.plugins.contract:PipelexPlugin", "pipelex.plugins", "pipelex.v2")
    ]
    world.write(plugin="targets_api = 1\nGROUP = 'pipelex.plugins'\n")
    pyproject = """\
        [project]
        name = "acme"  # ours

        # how it is found
        [project.entry-points."pipelex.plugins"]  # the group
        acme = "plugin:Plugin"  # the one

        # what is below
        [tool.x]
        y = "pipelex.plugins"
        """
    (world.plugin / "pyproject.toml").write_text(dedent(pyproject), encoding="utf-8")
    done = world.upgrade()
    expected = dedent(pyproject).replace('points."pipelex.plugins"', 'points."pipelex.v2"')
    assert expected == (world.plugin / "pyproject.toml").read_text(encoding="utf-8")
    assert "targets_api = 2\nGROUP = 'pipelex.v2'\n" == world.read()
    assert {"entry-point-group-changed", "api-version-changed"} == {edit.change.kind for edit in done.edits}


UNDECIDED = {
    "keywords are taken as a whole": (
        f"""
        from {REGISTRY} import MakeWorkerFn
        from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract

        def make(**given: object) -> InferenceWorkerAbstract:
            raise ValueError(given["backend"])

        MAKE: MakeWorkerFn = make
        """,
        "'backend' may be in **given",
    ),
    "names are read at run time": (
        SHAPE
        + """
    def make(
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        raise ValueError(locals()["backend"])

    MAKE: MakeWorkerFn = make
        """,
        "it reads its names at run time",
    ),
    "the new name is taken": (
        SHAPE
        + """
    def make(
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        config = backend.name
        raise ValueError(config)

    MAKE: MakeWorkerFn = make
        """,
        "'config' is already a name in here",
    ),
}


@pytest.mark.parametrize("case", heavy_but("the new name is taken", names=UNDECIDED))
def test_what_cannot_be_decided_is_marked_and_left(world: World, case: str) -> None:
    """A second run changes nothing, and still tells of it."""
    source, reason = UNDECIDED[case]
    rename_backend(world)
    world.write(plugin=f"targets_api = 1\n{dedent(source)}")
    done = world.upgrade()
    assert any(reason in item.reason for item in done.left)
    assert f"# TODO(pipelex): plugin API 2: parameter-renamed of MakeWorkerFn: {reason}" in world.read()
    again = world.upgrade()
    assert [] == again.changed
    assert any(reason in item.reason for item in again.left)


def test_what_only_the_type_checker_sees_is_marked_too(world: World) -> None:
    """A member that was removed without a word to the codemod."""
    world.edit(RESULT, '    OTHER = "other"\n', "")
    world.write(
        plugin=f"from {RESULT} import FinishReason\n\ntargets_api = 1\nif targets_api:\n    x = FinishReason.OTHER\n"
    )
    done = world.upgrade()
    assert 1 == len(done.left)
    assert (
        '    # TODO(pipelex): plugin API 2: mypy reports: "type[FinishReason]" has no attribute "OTHER"\n    x ='
        in world.read()
    )


def test_a_plugin_that_is_not_clean_before_is_not_touched(world: World) -> None:
    rename_backend(world)
    world.write(plugin=f"from {RESULT} import Nothing\n\ntargets_api = 1\n")
    with pytest.raises(UpgradeError, match="not clean on version 1"):
        world.upgrade()
    assert "targets_api = 1" in world.read()


def test_the_version_is_proved_where_it_is_not_stated(world: World) -> None:
    """``targets_api = PLUGIN_API_VERSION`` says nothing: what the plugin compiles on does."""
    rename_backend(world)
    source = (
        dedent(UNDECIDED["the new name is taken"][0])
        .replace("config = backend.name", "")
        .replace("(config)", "(backend)")
    )
    world.write(
        plugin=f"from pipelex.plugins.contract import PLUGIN_API_VERSION\n{source}targets_api = PLUGIN_API_VERSION\n"
    )
    done = world.upgrade()
    assert (1, 2, []) == (done.old, done.new, done.left)
    assert "config: InferenceBackend" in world.read()
    assert 2 == world.upgrade().old


@pytest.mark.parametrize(
    "statement",
    [
        "class P:\n    targets_api = {}\n",
        "class P:\n    targets_api: int = {}  # note\n",
        "VERSION = {}\nclass P:\n    targets_api = VERSION\n",
        "class P:\n    @property\n    def targets_api(self) -> int:\n        return {}\n",
        "class P:\n    def __init__(self) -> None:\n        self.targets_api = {}\n        self.other = 1\n",
    ],
)
def test_the_version_is_raised_however_it_is_stated(world: World, statement: str) -> None:
    check(world, statement.format(1), statement.format(2))


def test_windows_line_endings_are_kept(world: World) -> None:
    world.write(plugin="")
    (world.plugin / "plugin.py").write_bytes(b"x = 3\r\ntargets_api = 1\r\n")
    world.upgrade()
    assert b"x = 3\r\ntargets_api = 2\r\n" == (world.plugin / "plugin.py").read_bytes()


def test_a_module_is_rewritten_byte_by_byte_whatever_its_encoding_and_its_lines(world: World) -> None:
    """A form feed and separators end no line of Python's; the cookie and the line ends stay true."""
    world.edit(RESULT, '    OTHER = "other"', '    UNKNOWN = "other"')
    world.changes = [change("enum-member-renamed", f"{RESULT}:FinishReason.OTHER", new="UNKNOWN")]
    before = (
        f"# -*- coding: latin-1 -*-\r\nfrom {RESULT} import FinishReason\r\n\f\r\ntargets_api = 1\r\n"
        "x = 'caf\xe9 \x0b \x1c \x85', FinishReason.OTHER\r\n\fy = ('\x1d', FinishReason.OTHER)"
    )
    world.write(plugin="")
    (world.plugin / "plugin.py").write_bytes(before.encode("latin-1"))
    (world.plugin / "plugin.py").chmod(0o640)
    assert [] == world.upgrade().left
    after = before.replace("OTHER", "UNKNOWN").replace("= 1", "= 2")
    assert after.encode("latin-1") == (world.plugin / "plugin.py").read_bytes()
    assert 0o640 == (world.plugin / "plugin.py").stat().st_mode & 0o777


BASE = "pipelex.cogt.inference.inference_worker_abstract"
WORKER = f"""
{dedent(HOOK)}
from collections.abc import Callable
from pipelex.cogt.exceptions import InferenceError

targets_api = 1

def classify(error: Exception) -> InferenceError | None:
    return None

class Worker(LLMWorkerAbstract):
    {{}}

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        call: Callable[[Exception], object] = {{}}
        return InferenceResult(content=str(call(OSError())))
"""
VALUES = {
    "assigned in the class": ("_classify_error = staticmethod(classify)  # type: ignore[assignment]", "str"),
    "passed on": ("pass", "self._classify_error"),
    "named in a string": ("pass", 'getattr(self, "_classify_error")'),
    "with a loop of its own": (
        "def _classify_error(self, error: Exception) -> None:\n        import asyncio\n        asyncio.run(main())",
        "str\n\nasync def main() -> None: ...\n\ndef other() -> object:\n    call = str",
    ),
}


@pytest.mark.parametrize("case", heavy_but("passed on", names=VALUES))
def test_a_hook_that_is_no_plain_method_is_left_where_it_becomes_async(world: World, case: str) -> None:
    """No type shows that what calls it gets a coroutine now."""
    world.edit(BASE, "    def _classify_error", "    async def _classify_error")
    world.changes = [change("async-changed", f"{BASE}:InferenceWorkerAbstract._classify_error", "sync", "async")]
    world.write(plugin=WORKER.format(*VALUES[case]))
    assert 1 == len(world.upgrade().left)


def test_a_field_is_renamed_where_a_class_assigns_it_and_where_a_pattern_matches_it(world: World) -> None:
    """And in a partial of the constructor."""
    world.edit(RESULT, "    model_served:", "    served_by:")
    world.changes = [change("field-renamed", f"{RESULT}:InferenceResult.model_served", new="served_by")]
    before = f"""
        from dataclasses import dataclass
        from functools import partial
        from {RESULT} import InferenceResult

        targets_api = 1

        @dataclass(frozen=True, kw_only=True)
        class Mine(InferenceResult[str]):
            model_served: str | None = "mine"

        def served(result: InferenceResult[str]) -> str:
            match result:
                case (Mine(model_served=str(name)) | InferenceResult(model_served=str(name))) if name:
                    return name
            return partial(InferenceResult[str], model_served="x")(content="").content
        """
    check(world, before, before.replace("model_served", "served_by").replace("= 1", "= 2"))


def test_a_name_in_a_string_is_left_to_the_author(world: World) -> None:
    """Of a renamed symbol: by ``getattr``, and as a path."""
    rename_finish_reason(world)
    source = f"""
        import importlib
        from unittest.mock import patch

        targets_api = 1
        first = getattr(importlib.import_module("{RESULT}"), "FinishReason")
        second = patch("{RESULT}.FinishReason")
        third = patch("other.FinishReason"), print("FinishReason")
        """
    world.write(plugin=source)
    assert ["'FinishReason' is named", f"'{RESULT}.FinishReason' is named"] == [
        item.reason.rpartition(": ")[2].removesuffix(" in a string") for item in world.upgrade().left
    ]


def test_an_imported_constant_and_a_literal_type_state_the_version_too(world: World) -> None:
    world.write(numbers="API = 1\nOTHER = 1\n")
    source = "from typing import Literal\n\nfrom numbers_ import API, OTHER\n\n"
    (world.plugin / "numbers.py").rename(world.plugin / "numbers_.py")
    use = "class P:\n    {}\n    other = OTHER\n"
    for statement in ("targets_api = API", "targets_api: Literal[{}] = {}", "name, targets_api = 'x', {}"):
        world.write(numbers_="API = 1\nOTHER = 1\n", plugin=source + use.format(statement.format(1, 1)))
        assert [] == world.upgrade(since=1).left
        assert source + use.format(statement.format(2, 2)) == world.read()
        assert f"API = {2 if 'API' in statement else 1}\nOTHER = 1\n" == world.read("numbers_")


def test_a_version_that_is_computed_is_left_to_the_author(world: World) -> None:
    for computed in ("int(1)", "2 - 1"):
        world.write(plugin=f"class P:\n    targets_api = {computed}\n")
        [left] = world.upgrade().left
        assert "state the version as a number: 2" in left.reason
        assert 1 == len(world.upgrade().left)


@pytest.mark.parametrize("head", ["", "# -*- coding: utf-8 -*-\n# ours\n\n", '"""Doc."""\n\n', "import re\n\n"])
def test_an_import_is_written_above_relative_ones_and_below_comments(world: World, head: str) -> None:
    """It is of another package, which ruff and isort put first."""
    hook = "async def _gen_text(self, job: LLMJob"
    world.edit(LLM, hook, f"{hook}, reason: FinishReason")
    world.edit(LLM, "from collections.abc import", f"from {RESULT} import FinishReason\nfrom collections.abc import")
    symbol = f"{LLM}:LLMWorkerAbstract._gen_text"
    world.changes = [
        change("parameter-added", symbol, new="reason: FinishReason", migration="reason=FinishReason.STOP")
    ]
    package = world.plugin / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "names.py").write_text(dedent(HOOK) + '__all__ = ["InferenceResult", "LLMJob", "LLMWorkerAbstract"]\n')
    relative = "from .names import InferenceResult, LLMJob, LLMWorkerAbstract\n"
    method = f"    {hook}) -> InferenceResult[str]:\n        raise ValueError\n"
    rest = f"\ntargets_api = 1\n\nclass Worker(LLMWorkerAbstract):\n{method}"
    (package / "plugin.py").write_text(head + relative + rest, encoding="utf-8")
    [target] = resolve(str(package))
    done = upgrade(target)
    assert [] == done.left
    text = done.after[package / "plugin.py"]
    assert f"from {RESULT} import FinishReason\n\n{relative}" in text
    assert text.startswith(head)
    assert "\n\n\n" not in text
