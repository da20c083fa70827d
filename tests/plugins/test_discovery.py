"""Every row of the fail-loud table, and every fault that a plugin can bring, with the error that it gets."""

from __future__ import annotations

import asyncio
import builtins
import logging
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.config.plugins_config import PluginsConfig
from pipelex.plugins import discovery
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.discovery import Contribution, PluginSurvey, build_registrar, survey_plugins
from pipelex.plugins.exceptions import (
    BrokenPluginError,
    CoreUnconditionalPluginDisabledError,
    DuplicateCommandError,
    DuplicateInferenceBackendError,
    DuplicateModelListerError,
    DuplicatePluginError,
    InvalidContributionError,
    PluginApiVersionMismatchError,
    PluginError,
)
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.installed import EntryPoint, InstalledPlugin
from pipelex.plugins.raised import class_name
from tests.plugins.shapes import Plugin, installed, list_models, make_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipelex.plugins.command_call import CommandCall
    from pipelex.plugins.registrar import PluginRegistrar


def survey(
    *plugins: InstalledPlugin,
    disabled: tuple[str, ...] = (),
    builtins: Sequence[Any] = (),
    core: tuple[str, ...] = (),
) -> PluginSurvey:
    """Survey just these plugins."""
    return survey_plugins(
        PluginsConfig(disabled=disabled), builtins=builtins, core_unconditional=core, installed=plugins
    )


def only_error(result: PluginSurvey) -> PluginError:
    """Return the one error of a survey."""
    (error,) = result.failures
    return error


class Panic(BaseException):
    """As Rust's panics are, which PyO3 lets through."""


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError


class Hiding(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]  # as a proxy of classes has it
        raise ValueError


class Nameless(Exception, metaclass=Hiding):
    """As an exception class can be that a library makes on the fly."""


async def an_async_register(_: PluginRegistrar) -> None:
    """Never run."""


def a_register_that_yields(_: PluginRegistrar) -> Iterator[None]:
    """Never run."""
    yield


def raising(exc: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise exc

    return fail


def without(attribute: str) -> object:
    """Return an object that lacks one attribute of the contract."""
    members = {"name": "acme", "targets_api": PLUGIN_API_VERSION, "register": lambda self, registrar: None}
    return type("Incomplete", (), {key: value for key, value in members.items() if key != attribute})()


class TestWhatIsAccepted:
    """The ways in that the contract allows."""

    @pytest.mark.parametrize("loads", [Plugin(), Plugin, lambda: Plugin()], ids=["instance", "class", "factory"])
    def test_an_entry_point_is_an_instance_or_a_factory(self, loads: object) -> None:
        (row,) = survey(installed(loads)).rows
        assert row.status == "active"
        assert row.contributions == (Contribution("inference_backend", "llm", "acme"),)
        assert (row.distribution, row.version, row.targets_api) == ("acme-dist", "1.0", PLUGIN_API_VERSION)

    def test_one_plugin_may_serve_several_families_with_one_sdk(self) -> None:
        def register(registrar: PluginRegistrar) -> None:
            for family in InferenceFamily:
                registrar.add_inference_backend(family=family, sdk="acme", make_worker=make_worker)
            registrar.add_model_lister(sdk="acme", lister=list_models)
            registrar.add_command(name="acme", help="Do it.", run=lambda call: len(call.arguments))

        result = survey(installed(Plugin(register=register)))
        assert {(family, "acme") for family in InferenceFamily} == set(result.registrar.inference_backends)
        assert ["acme"] == list(result.registrar.model_listers)
        assert "Do it." == result.registrar.commands["acme"][0]

    def test_a_make_worker_may_be_a_partial_or_take_any_keyword(self) -> None:
        def register(registrar: PluginRegistrar) -> None:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="a", make_worker=partial(make_worker))
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="b", make_worker=lambda **_: make_worker())  # type: ignore[call-arg]  # never called

        assert survey(installed(Plugin(register=register))).failures == ()

    def test_surveying_twice_gives_the_same(self) -> None:
        plugins = (installed(Plugin()), installed(Plugin("beta"), "beta", "beta-dist"))
        assert survey(*plugins).rows == survey(*plugins).rows


class TestFaults:
    """The faults that a stranger's plugin can have: each has its error, which names plugin, fault and way out."""

    @pytest.mark.parametrize("attribute", ["name", "targets_api", "register"])
    def test_a_missing_member_is_named(self, attribute: str) -> None:
        error = only_error(survey(installed(without(attribute))))
        assert isinstance(error, InvalidContributionError)
        assert ("acme", attribute) == (error.plugin_name, error.what)

    def test_an_import_that_fails_is_a_broken_plugin_in_phase_load(self) -> None:
        absent = EntryPoint("no_such_module_anywhere", "x")
        error = only_error(survey(installed(Plugin())._replace(entry_point=absent)))
        assert isinstance(error, BrokenPluginError)
        assert ("acme", "load", "acme-dist 1.0") == (error.plugin_name, error.phase, error.distribution)
        assert "no_such_module_anywhere" in error.reason
        assert isinstance(error.__cause__, ModuleNotFoundError)

    @pytest.mark.parametrize("exc", [RuntimeError("boom"), SystemExit(3)])
    def test_a_factory_that_raises_is_broken_in_phase_load_and_ends_nothing(self, exc: BaseException) -> None:
        error = only_error(survey(installed(raising(exc))))
        assert isinstance(error, BrokenPluginError)
        assert "load" == error.phase
        assert exc is error.__cause__

    @pytest.mark.parametrize("phase", ["load", "register"])
    @pytest.mark.parametrize(
        "exc", [GeneratorExit(), asyncio.CancelledError(), Panic(), Wordless(), Nameless(), SystemExit(0)]
    )
    def test_whatever_a_plugin_raises_costs_that_plugin_alone(self, exc: BaseException, phase: str) -> None:
        raises = raising(exc) if phase == "load" else Plugin(register=raising(exc))
        result = survey(installed(raises), installed(Plugin("good"), "good", "good-dist"))
        assert ["broken", "active"] == [row.status for row in result.rows]
        error = only_error(result)
        assert isinstance(error, BrokenPluginError)
        assert phase == error.phase
        assert class_name(exc) in str(error)

    @pytest.mark.parametrize("phase", ["load", "register"])
    def test_ctrl_c_while_a_plugin_is_loaded_is_the_users(self, phase: str) -> None:
        raises = raising(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            survey(installed(raises if phase == "load" else Plugin(register=raises)))

    def test_what_a_plugin_prints_goes_to_stderr(self, capsys: pytest.CaptureFixture[str]) -> None:
        def factory() -> Plugin:
            print("loading")
            return Plugin(register=lambda _: print("registering"))

        assert ["active"] == [row.status for row in survey(installed(factory)).rows]
        print("the answer")
        assert ("the answer\n", "loading\nregistering\n") == capsys.readouterr()

    def test_what_a_plugin_prints_past_python_goes_to_stderr_too(self, capfd: pytest.CaptureFixture[str]) -> None:
        def register(_: object) -> None:
            os.write(1, b"native code\n")
            subprocess.run([sys.executable, "-c", "print('a process')"], check=True)
            os.dup2(2, 1)

        assert ["active"] == [row.status for row in survey(installed(Plugin(register=register))).rows]
        os.write(1, b"the answer\n")
        assert ("the answer\n", "native code\na process\n") == capfd.readouterr()

    def test_what_the_host_needs_is_restored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", list(sys.path))
        before = [print, list(sys.path), list(sys.meta_path)]

        def register(_: object) -> None:
            builtins.print = lambda *_: None  # type: ignore[assignment]  # what such a plugin does
            sys.path.clear()
            sys.meta_path = []

        assert ["active"] == [row.status for row in survey(installed(Plugin(register=register))).rows]
        assert before == [print, sys.path, sys.meta_path]

    def test_what_a_plugin_adds_to_the_search_path_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", list(sys.path))
        survey(installed(Plugin(register=lambda _: sys.path.insert(0, "/vendored"))))
        assert "/vendored" == sys.path[0]

    @pytest.mark.parametrize(
        ("register", "got"), [(an_async_register, "an async method"), (a_register_that_yields, "a generator")]
    )
    def test_a_register_that_has_not_run_when_its_call_returns_is_refused(
        self, register: Callable[..., Any], got: str
    ) -> None:
        plugin = Plugin()
        plugin.register = register  # type: ignore[method-assign]  # its call has to return what this one returns
        error = only_error(survey(installed(plugin)))
        assert isinstance(error, InvalidContributionError)
        assert ("register", got) == (error.what, error.got)

    def test_a_message_of_megabytes_is_cut(self) -> None:
        error = only_error(survey(installed(raising(RuntimeError("x" * 3_000_000)))))
        assert len(str(error)) < 3_000

    def test_a_plugin_that_changes_the_working_directory_does_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        def factory() -> Plugin:
            os.chdir("/")
            return Plugin(register=lambda _: os.chdir("/"))

        survey(installed(factory))
        assert tmp_path == Path.cwd()

    @pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
    @pytest.mark.parametrize("what", ["closed", "replaced"])
    def test_the_standard_streams_are_restored(self, monkeypatch: pytest.MonkeyPatch, name: str, what: str) -> None:
        before = sys.stdin, sys.stdout, sys.stderr

        def factory() -> Plugin:
            if what == "closed":
                getattr(sys, name).close()
            else:
                monkeypatch.setattr(sys, name, None)
            return Plugin()

        with open(os.dup(2), "w", encoding="utf-8") as real:
            monkeypatch.setattr(sys, "stderr", real)
            monkeypatch.setattr(sys, "__stderr__", real)
            survey(installed(factory))
            assert before[:2] == (sys.stdin, sys.stdout)
            assert not sys.stderr.closed
            assert (sys.stderr is real) == (what == "replaced" or name == "stdin")

    def test_standard_input_is_empty_for_a_plugin(self) -> None:
        error = only_error(survey(installed(input)))
        assert "EOFError" in str(error)

    @pytest.mark.parametrize("reads", [0, 1])
    def test_a_name_that_can_be_read_so_often_and_no_more_is_a_broken_plugin(self, reads: int) -> None:
        names = iter(["acme"] * reads)
        kind = type("Fickle", (Plugin,), {"name": property(lambda _: next(names), lambda *_: None)})
        assert ["broken"] == [row.status for row in survey(installed(kind)).rows]

    def test_an_async_command_is_invalid(self) -> None:
        async def run(call: CommandCall) -> int:
            return 0

        def register(registrar: PluginRegistrar) -> None:
            registrar.add_command(name="acme", help="Do it.", run=run)  # type: ignore[arg-type]  # the fault under test

        error = only_error(survey(installed(Plugin(register=register))))
        assert isinstance(error, InvalidContributionError)
        assert "async" in error.got

    def test_an_object_that_is_neither_plugin_nor_callable_is_named(self) -> None:
        error = only_error(survey(installed(object())))
        assert isinstance(error, InvalidContributionError)
        assert "zero-argument factory" in error.expected

    @pytest.mark.parametrize("value", ["1", 1.0, True, None])
    def test_a_targets_api_that_is_no_int_is_invalid(self, value: Any) -> None:
        error = only_error(survey(installed(Plugin(targets_api=value))))
        assert isinstance(error, InvalidContributionError)
        assert "targets_api" == error.what

    @pytest.mark.parametrize("value", [0, PLUGIN_API_VERSION + 1])
    def test_another_api_version_is_a_mismatch(self, value: int) -> None:
        error = only_error(survey(installed(Plugin(targets_api=value))))
        assert isinstance(error, PluginApiVersionMismatchError)
        assert ("acme", value, PLUGIN_API_VERSION) == (error.plugin_name, error.targets_api, error.supported_api)
        assert "plugins.disabled" in str(error)

    @pytest.mark.parametrize("name", ["", "Acme", "ac me", "-acme", 7])
    def test_a_name_that_is_no_lowercase_identifier_is_invalid(self, name: Any) -> None:
        error = only_error(survey(installed(Plugin(name))))
        assert isinstance(error, InvalidContributionError)
        assert "name" == error.what

    @pytest.mark.parametrize(
        ("arguments", "what"),
        [
            ({"family": "video"}, "family"),
            ({"family": "llm"}, "family"),
            ({"sdk": ""}, "sdk"),
            ({"sdk": None}, "sdk"),
            ({"make_worker": "my_pkg:make"}, "make_worker"),
            ({"make_worker": lambda model: None}, "make_worker"),
            ({"make_worker": lambda *, inference_model, backend, sdk_client, reporting_delegate: None}, "make_worker"),
            ({"make_worker": list_models}, "make_worker"),
        ],
    )
    def test_a_wrong_argument_of_add_inference_backend_is_named(self, arguments: dict[str, Any], what: str) -> None:
        def register(registrar: PluginRegistrar) -> None:
            good: dict[str, Any] = {"family": InferenceFamily.LLM, "sdk": "acme", "make_worker": make_worker}
            registrar.add_inference_backend(**(good | arguments))

        error = only_error(survey(installed(Plugin(register=register))))
        assert isinstance(error, InvalidContributionError)
        assert error.what.startswith(what)

    def test_an_async_make_worker_is_invalid(self) -> None:
        async def make(
            *, inference_model: object, backend: object, sdk_clients: object, reporting_delegate: object
        ) -> None: ...

        def register(registrar: PluginRegistrar) -> None:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make)  # type: ignore[arg-type]  # the fault under test

        error = only_error(survey(installed(Plugin(register=register))))
        assert isinstance(error, InvalidContributionError)
        assert "async" in error.got

    def test_a_lister_that_is_not_async_is_invalid(self) -> None:
        def lister(*, sdk: str, backend_name: str, backend: object, flat: bool, any_listed: bool) -> None: ...

        def register(registrar: PluginRegistrar) -> None:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make_worker)
            registrar.add_model_lister(sdk="acme", lister=lister)  # type: ignore[arg-type]  # the fault under test

        error = only_error(survey(installed(Plugin(register=register))))
        assert isinstance(error, InvalidContributionError)
        assert "not async" in error.got

    def test_a_lister_of_an_sdk_that_the_plugin_does_not_serve_is_invalid(self) -> None:
        def register(registrar: PluginRegistrar) -> None:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make_worker)
            registrar.add_model_lister(sdk="acmee", lister=list_models)

        error = only_error(survey(installed(Plugin(register=register))))
        assert isinstance(error, InvalidContributionError)
        assert "acme" in error.expected

    def test_a_register_that_raises_is_broken_and_leaves_nothing(self) -> None:
        def register(registrar: PluginRegistrar) -> None:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make_worker)
            msg = "halfway"
            raise RuntimeError(msg)

        result = survey(installed(Plugin(register=register)))
        error = only_error(result)
        assert isinstance(error, BrokenPluginError)
        assert ("register", "RuntimeError: halfway") == (error.phase, error.reason)
        assert {} == dict(result.registrar.inference_backends)

    def test_a_register_that_wrecks_its_registrar_touches_no_other_plugin(self) -> None:
        def clear(registrar: PluginRegistrar) -> None:
            registrar._backends.clear()
            registrar._listers.clear()

        def replace(registrar: PluginRegistrar) -> None:
            registrar._backends = None  # type: ignore[assignment]  # the fault under test

        def smuggle(registrar: PluginRegistrar) -> None:
            registrar._backends["video", "x"] = 5  # type: ignore[index,assignment]  # the fault under test

        result = survey(
            installed(Plugin("good"), "good", "good-dist"),
            installed(Plugin("clears", register=clear), "clears", "clears-dist"),
            installed(Plugin("replaces", register=replace), "replaces", "replaces-dist"),
            installed(Plugin("smuggles", register=smuggle), "smuggles", "smuggles-dist"),
        )
        assert [(InferenceFamily.LLM, "good")] == list(result.registrar.inference_backends)
        assert ["active", "active", "broken", "broken"] == [row.status for row in result.rows]
        assert isinstance(result.rows[2].error, BrokenPluginError)
        assert isinstance(result.rows[3].error, InvalidContributionError)

    def test_the_read_only_views_refuse_to_be_written(self) -> None:
        def register(registrar: PluginRegistrar) -> None:
            registrar.inference_backends.clear()  # type: ignore[attr-defined]  # the fault under test

        error = only_error(survey(installed(Plugin(register=register))))
        assert isinstance(error, BrokenPluginError)
        assert "register" == error.phase

    def test_unreadable_metadata_is_broken_in_phase_metadata(self) -> None:
        plugin = InstalledPlugin("acme", "acme-dist", "1.0", None, "the entry point is garbage")
        error = only_error(survey(plugin))
        assert isinstance(error, BrokenPluginError)
        assert ("metadata", "the entry point is garbage") == (error.phase, error.reason)


class TestConflicts:
    """Two claims on one thing: both are named, and the order is always the same."""

    def test_a_duplicate_backend_names_both_plugins_with_their_distributions(self) -> None:
        def register(registrar: PluginRegistrar) -> None:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make_worker)

        result = survey(installed(Plugin()), installed(Plugin("other", register=register), "other", "other-dist", "2"))
        error = only_error(result)
        assert isinstance(error, DuplicateInferenceBackendError)
        assert ("llm", "acme") == (error.family, error.sdk)
        assert "'acme' (acme-dist 1.0)" == error.first_plugin
        assert "'other' (other-dist 2)" == error.second_plugin

    def test_a_plugin_that_registers_twice_collides_with_itself(self) -> None:
        def register(registrar: PluginRegistrar) -> None:
            for _ in range(2):
                registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make_worker)

        error = only_error(survey(installed(Plugin(register=register))))
        assert isinstance(error, DuplicateInferenceBackendError)
        assert ("acme", "acme") == (error.first_plugin, error.second_plugin)

    def test_a_duplicate_lister_names_both_plugins(self) -> None:
        def with_lister(family: InferenceFamily) -> Callable[[PluginRegistrar], None]:
            def register(registrar: PluginRegistrar) -> None:
                registrar.add_inference_backend(family=family, sdk="same", make_worker=make_worker)
                registrar.add_model_lister(sdk="same", lister=list_models)

            return register

        error = only_error(
            survey(
                installed(Plugin("one", register=with_lister(InferenceFamily.LLM)), "one", "one-dist"),
                installed(Plugin("two", register=with_lister(InferenceFamily.SEARCH)), "two", "two-dist"),
            )
        )
        assert isinstance(error, DuplicateModelListerError)
        assert ("same", "'one' (one-dist 1.0)", "'two' (two-dist 1.0)") == (
            error.sdk,
            error.first_plugin,
            error.second_plugin,
        )

    def test_a_command_may_not_shadow_a_core_command_nor_anothers(self) -> None:
        def register(name: str) -> Callable[[PluginRegistrar], None]:
            return lambda registrar: registrar.add_command(name=name, help="Help.", run=lambda call: 0)

        shadowing = only_error(survey(installed(Plugin(register=register("plugins")))))
        assert isinstance(shadowing, DuplicateCommandError)
        assert "pipelex" == shadowing.first_plugin
        twice = only_error(
            survey(
                installed(Plugin("one", register=register("x")), "one", "one-dist"),
                installed(Plugin("two", register=register("x")), "two", "two-dist"),
            )
        )
        assert isinstance(twice, DuplicateCommandError)
        assert "'one' (one-dist 1.0)" == twice.first_plugin

    def test_a_name_that_a_builtin_bears_is_taken_in_any_spelling(self) -> None:
        error = only_error(survey(installed(Plugin("built-in.one"), "x"), builtins=[Plugin("built_in_one")]))
        assert isinstance(error, DuplicatePluginError)
        assert ("'built_in_one' (built-in)", "'built-in.one' (acme-dist 1.0)") == (
            error.first_plugin,
            error.second_plugin,
        )

    def test_two_distributions_with_one_plugin_name_are_named_with_versions(self) -> None:
        error = only_error(survey(installed(Plugin()), installed(Plugin(), "acme", "acme-fork", "2.0")))
        assert isinstance(error, DuplicatePluginError)
        assert ("'acme' (acme-dist 1.0)", "'acme' (acme-fork 2.0)") == (error.first_plugin, error.second_plugin)


class TestDenylist:
    """The denylist recovers a start-up."""

    def test_a_plugin_that_cannot_load_is_disabled_by_its_entry_point_name_without_being_loaded(self) -> None:
        (row,) = survey(installed(raising(AssertionError("loaded"))), disabled=("acme",)).rows
        assert ("disabled", None) == (row.status, row.error)

    @pytest.mark.parametrize("spelling", ["acme-ai", "acme_ai", "Acme.AI"])
    def test_either_name_in_any_spelling_disables(self, spelling: str) -> None:
        by_plugin_name = survey(installed(Plugin("acme_ai"), "entry"), disabled=(spelling,))
        by_entry_point = survey(installed(Plugin("other"), "acme.ai"), disabled=(spelling,))
        assert ["disabled", "disabled"] == [by_plugin_name.rows[0].status, by_entry_point.rows[0].status]
        assert () == by_plugin_name.unknown_disabled + by_entry_point.unknown_disabled

    def test_a_plugin_of_another_version_is_disabled_by_its_own_name(self) -> None:
        (row,) = survey(installed(Plugin("late", targets_api=99), "entry"), disabled=("late",)).rows
        assert "disabled" == row.status

    def test_a_builtin_can_be_disabled(self) -> None:
        result = survey(builtins=[Plugin("one"), Plugin("two")], disabled=("one",))
        assert ["disabled", "active"] == [row.status for row in result.rows]
        assert [(InferenceFamily.LLM, "two")] == list(result.registrar.inference_backends)

    def test_a_core_unconditional_plugin_cannot_be_disabled(self) -> None:
        error = only_error(survey(builtins=[Plugin("core")], core=("core",), disabled=("core",)))
        assert isinstance(error, CoreUnconditionalPluginDisabledError)
        assert "core" == error.plugin_name

    def test_a_name_that_nothing_bears_is_a_warning_with_the_nearest(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, logger="pipelex.plugins"):
            result = survey(installed(Plugin()), disabled=("acne", "zzz"))
        assert (("acne", "acme"), ("zzz", None)) == result.unknown_disabled
        assert () == result.failures
        assert "did you mean 'acme'" in caplog.text


class TestBuildRegistrar:
    """``build_registrar`` is the survey with the first failure raised."""

    def test_it_raises_the_first_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(discovery, "installed_plugins", lambda: [installed(raising(RuntimeError("boom")))])
        with pytest.raises(BrokenPluginError, match="boom"):
            build_registrar(PluginsConfig())

    def test_it_is_safe_to_run_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(discovery, "installed_plugins", list)
        first, second = build_registrar(PluginsConfig()), build_registrar(PluginsConfig())
        assert dict(first.inference_backends) == dict(second.inference_backends)
        assert len(first.inference_backends) > 0


@pytest.mark.parametrize("kind", ["a backend", "a lister"])
def test_one_plugin_that_registers_twice_is_not_told_to_disable_one_of_two(kind: str) -> None:
    def register(registrar: PluginRegistrar) -> None:
        for _ in range(2):
            if kind == "a backend":
                registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=make_worker)
            else:
                registrar.add_model_lister(sdk="acme", lister=list_models)

    error = only_error(survey(installed(Plugin(register=register))))
    assert "It is the same plugin: take one of the two calls out of its 'register'." in str(error)
    assert "plugins.disabled" not in str(error)
