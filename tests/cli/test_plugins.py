from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.installed import InstalledPlugin
from tests.plugins.shapes import Plugin, installed, make_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.plugins.registrar import PluginRegistrar
    from tests.cli.conftest import Terminal


def _fail(_: PluginRegistrar) -> None:
    raise RuntimeError("no\nluck")


def test_every_plugin_is_listed_with_what_it_contributes(terminal: Terminal) -> None:
    terminal.install(installed(Plugin()))
    outcome = terminal.run("plugins", "list")
    assert (0, "") == (outcome.code, outcome.err)
    [header, fake, acme] = outcome.out.splitlines()
    assert header.split() == ["NAME", "STATUS", "ORIGIN", "DISTRIBUTION", "API", "CONTRIBUTES"]
    assert fake.split(maxsplit=5)[:5] == ["fake", "active", "built-in", "-", "1"]
    assert "llm/fake, img_gen/fake, extract/fake, search/fake, lists fake, command fake-run" in fake
    assert acme.split() == ["acme", "active", "external", "acme-dist", "1.0", "1", "llm/acme"]


def test_a_broken_plugin_is_a_row_with_the_line_that_disables_it(terminal: Terminal) -> None:
    terminal.configure('[plugins]\ndisabled = ["other"]\n')
    terminal.install(installed(Plugin(register=_fail)), installed(Plugin("other"), name="other"))
    outcome = terminal.run("plugins", "list")
    assert (1, "") == (outcome.code, outcome.err)
    assert "acme is broken\n  phase    register\n  reason   RuntimeError: no luck\n" in outcome.out
    assert 'disabled = ["other", "acme"]   under [plugins] in .pipelex/pipelex.toml' in outcome.out


def _serve_fake(registrar: PluginRegistrar) -> None:
    registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="fake", make_worker=make_worker)


BROKEN: dict[str, Callable[[], list[InstalledPlugin]]] = {
    "register raises": lambda: [installed(Plugin(register=_fail))],
    "another API version": lambda: [installed(Plugin(targets_api=99))],
    "no plugin": lambda: [installed(object(), name='an "odd" \\ name')],
    "metadata": lambda: [InstalledPlugin("acme-dist", "acme-dist", "1.0", None, "it is not UTF-8 text")],
    "a backend of another": lambda: [installed(Plugin(register=_serve_fake))],
    "the name of a built-in": lambda: [installed(Plugin("fake"), name="fake", distribution="fake-dist")],
    "its own name that of a built-in": lambda: [installed(Plugin("fake"), name="other")],
    "the name of another": lambda: [installed(Plugin()), installed(Plugin(), distribution="second")],
    "its own name that of another": lambda: [installed(Plugin()), installed(Plugin(), name="other")],
    "an entry point as another": lambda: [installed(Plugin()), installed(object(), distribution="second")],
}


@pytest.mark.parametrize("install", BROKEN.values(), ids=BROKEN)
def test_the_fix_gets_rid_of_the_broken_plugin_and_of_no_other(
    terminal: Terminal, install: Callable[[], list[InstalledPlugin]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelex.generated.builtins.CORE_UNCONDITIONAL", frozenset({"fake"}))
    plugins = install()
    terminal.install(*plugins)
    rows = terminal.run("plugins", "list", "--json").data["plugins"]
    [broken] = [row for row in rows if row["status"] == "broken"]
    command, _, name = broken["fix"].rpartition(" ")
    if command == "pip uninstall":
        assert name == broken["distribution"]
        terminal.install(*(plugin for plugin in plugins if plugin.distribution != name))
    else:
        terminal.configure("[plugins]\n" + broken["fix"].partition("   ")[0])
    outcome = terminal.run("plugins", "list", "--json")
    active = [[row["name"] for row in found if row["status"] == "active"] for found in (rows, outcome.data["plugins"])]
    assert (0, active[0]) == (outcome.code, active[1])


def test_json_has_every_field_of_a_row(terminal: Terminal) -> None:
    terminal.install(installed(Plugin(targets_api=99)))
    outcome = terminal.run("plugins", "list", "--json")
    assert outcome.code == 1
    [fake, acme] = outcome.data["plugins"]
    assert {"kind": "inference_backend", "family": "llm", "sdk": "fake", "name": None} in fake["contributions"]
    assert {"kind": "command", "family": None, "sdk": None, "name": "fake-run"} in fake["contributions"]
    assert ("acme", "external", "broken", "acme-dist", "1.0") == tuple(
        acme[key] for key in ("name", "origin", "status", "distribution", "version")
    )
    assert (acme["phase"], acme["contributions"]) == ("load", [])
    assert "targets plugin API version 99" in acme["reason"]


def test_an_unknown_name_on_the_denylist_is_a_finding(terminal: Terminal) -> None:
    terminal.configure('[plugins]\ndisabled = ["fakee"]\n')
    outcome = terminal.run("plugins", "list")
    assert (0, "") == (outcome.code, outcome.err)
    assert "finding: plugins.disabled names 'fakee', which no plugin bears. Did you mean 'fake'?" in outcome.out
    [finding] = terminal.run("plugins", "list", "--json").data["findings"]
    assert ("unknown_disabled", "fakee", "fake") == (finding["finding"], finding["name"], finding["nearest"])


def test_a_disabled_core_unconditional_plugin_is_to_be_taken_off_the_list(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelex.generated.builtins.CORE_UNCONDITIONAL", frozenset({"fake"}))
    terminal.configure('[plugins]\ndisabled = ["fake"]\n')
    outcome = terminal.run("plugins", "list")
    assert outcome.code == 1
    assert 'take "fake" out of disabled' in outcome.out


def test_a_wrong_plugins_table_is_a_configuration_error(terminal: Terminal) -> None:
    terminal.configure("[plugins]\ndisabled = 3\n")
    outcome = terminal.run("plugins", "list")
    assert (2, "") == (outcome.code, outcome.out)


def test_the_rest_of_the_configuration_is_not_read(terminal: Terminal) -> None:
    terminal.configure("[backends]\nacme = 3\n")
    assert terminal.run("plugins", "list").code == 0
