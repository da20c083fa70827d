"""``pipelex doctor`` finds what is planted in a project and an environment of its own, and imports no plugin."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelex.cli.main import main
from pipelex.diagnosis import plugins as plugins_part
from pipelex.reading.modules import ModuleLocation, locate
from pipelex.spi.lock import read_spi_lock
from tests.acme.environment import write_distribution

PLUGIN = """
from pipelex.plugins.inference_backend_registry import InferenceFamily, require_sdk


def _make(*, inference_model, backend, sdk_clients, reporting_delegate):
    require_sdk(spec="acme_sdk.client", extra="acme", msg="Needed.")


class AcmePlugin:
    name = "acme"
    targets_api = 1

    def register(self, registrar):
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=_make)
        registrar.add_command(name="acme", help="Do it.", run=len)
"""
ENTRY = "[pipelex.plugins]\nacme = acme_plugin:AcmePlugin\n"


class Machine:
    """A project, its user's home, and a folder on the module path into which distributions are planted."""

    def __init__(self, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.project = root / "home" / "project"
        self.path = root / "path"
        self.project.mkdir(parents=True)
        self.path.mkdir()
        self._capfd = capfd

    def configure(self, text: str, name: str = "pipelex.toml") -> Path:
        path = self.project / ".pipelex" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def install(self, name: str = "acme-dist", entry_points: str = ENTRY, plugin: str = PLUGIN) -> None:
        modules = {"acme_plugin": plugin} if "acme_plugin" in entry_points else {}
        write_distribution(self.path, name=name, entry_points=entry_points, **modules)

    def examine(self) -> tuple[int, dict[str, Any]]:
        self._capfd.readouterr()
        code = main(["doctor", "--json"])
        data = json.loads(self._capfd.readouterr().out)
        assert {"healthy": 0, "findings": 1, "incomplete": 2}[data["status"]] == code
        return code, data

    def findings(self) -> list[tuple[str, str]]:
        return [(finding["id"], finding["subject"]) for finding in self.examine()[1]["findings"]]

    def one_finding(self) -> dict[str, Any]:
        code, data = self.examine()
        assert 1 == code
        [finding] = data["findings"]
        assert isinstance(finding, dict)
        return finding


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Machine:
    made = Machine(tmp_path, capfd)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PIPELEX_HOME", raising=False)
    monkeypatch.delenv("ACME_API_KEY", raising=False)
    monkeypatch.setenv("PIPELEX_TRUST", str(made.project))
    monkeypatch.chdir(made.project)
    monkeypatch.syspath_prepend(made.path)
    return made


@pytest.mark.parametrize(
    ("line", "key"), [('endpoint = "127.0.0.1:8000/v1"', "endpoint"), ('api_key = "${ODD_KEY}"', "api_key")]
)
def test_a_value_that_no_call_could_use_is_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, line: str, key: str
) -> None:
    monkeypatch.setenv("ODD_KEY", "sk-\u201cquoted\u201d")
    path = machine.configure(f"[backends.openai]\n{line}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-good")
    monkeypatch.setenv("PIPELEX_TRUST", str(machine.project))
    finding = machine.one_finding()
    assert ("config_error", f"backends.openai.{key}") == (finding["id"], finding["subject"])
    assert (str(path), 2) == (finding["file"], finding["line"])


@pytest.mark.parametrize(
    ("secret", "address", "is_noted"),
    [
        ('api_key = "${OPENAI_API_KEY}"', 'endpoint = "http://10.1.2.3:8000/v1"', True),
        ('api_key = ""\nx_auth = "Bearer ${OPENAI_API_KEY}"', 'endpoint = "HTTP://proxy.test/v1"', True),
        ('extra_headers = { Via = "${OPENAI_API_KEY}" }', 'endpoint = "http://proxy.test/v1"', True),
        ('provider_key = "${OPENAI_API_KEY}"', 'control_endpoint = "http://proxy.test"', True),
        ('api_key = "${OPENAI_API_KEY}"', 'endpoint = "https://proxy.test/v1"', False),
        ('api_key = "${OPENAI_API_KEY}"', 'endpoint = "http://127.9.9.9/v1"', False),
        ('api_key = "${OPENAI_API_KEY}"', 'endpoint = "http://[::1]:80/v1"', False),
        ('region = "${OPENAI_API_KEY}"', 'endpoint = "http://proxy.test/v1"', False),
    ],
)
def test_a_secret_that_travels_unencrypted_is_noted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, secret: str, address: str, is_noted: bool
) -> None:
    machine.configure(f'[backends.mine]\n{secret}\n{address}\n[backends.mine.llm]\nsdk = "openai"\n')
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY-good")
    _, data = machine.examine()
    assert is_noted == any(("plain_http", "mine") == (note["id"], note["subject"]) for note in data["notes"])
    assert "CANARY" not in json.dumps(data)


def test_a_plain_installation_is_healthy(machine: Machine) -> None:
    code, data = machine.examine()
    assert (0, []) == (code, data["findings"])
    assert {builtin.name for builtin in read_spi_lock().builtins} == {row["name"] for row in data["builtins"]}
    assert ".".join(map(str, sys.version_info[:3])) == data["environment"]["python"]


def test_the_human_output_has_a_line_for_each_finding(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    path = machine.configure('[backends.acme]\napi_key = "${ACME_API_KEY}"\nendpoint = 1\n')
    machine.install()
    assert 1 == main(["doctor"])
    out = capfd.readouterr().out
    assert f"  config_error: {path}:3: backends.acme.endpoint: " in out
    assert "  unset_variable: backend 'acme' takes a value from ACME_API_KEY, which is not set. Fix: export " in out
    assert "acme  enabled  acme-dist 1.0" in out
    assert "Findings: 3." in out


def test_an_external_plugin_is_shown_with_its_file_and_what_its_source_states(machine: Machine) -> None:
    machine.install()
    _, data = machine.examine()
    [row] = data["plugins"]
    assert {
        "name": "acme",
        "own_name": None,
        "status": "enabled",
        "distribution": "acme-dist",
        "version": "1.0",
        "entry_point": "acme_plugin:AcmePlugin",
        "file": str(machine.path / "acme_plugin.py"),
        "targets_api": 1,
        "targets_api_note": "a literal",
        "contributions": [
            {"kind": "inference_backend", "family": "llm", "sdk": "acme", "name": None},
            {"kind": "command", "family": None, "sdk": None, "name": "acme"},
        ],
        "contributions_complete": True,
    } == row


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (PLUGIN.replace("targets_api = 1", "targets_api: int = 1"), (1, "a literal")),
        (
            "from pipelex.plugins.contract import PLUGIN_API_VERSION\n"
            + PLUGIN.replace("targets_api = 1", "targets_api = PLUGIN_API_VERSION"),
            (None, "whatever is installed (PLUGIN_API_VERSION)"),
        ),
        (PLUGIN.replace("targets_api = 1", "targets_api = int('1')"), (None, "only known when it is loaded")),
        (PLUGIN.replace("targets_api = 1", "targets_api = True"), (None, "True, which is no int")),
        ("from elsewhere import AcmePlugin\n", (None, "only known when it is loaded")),
        (PLUGIN.replace("class AcmePlugin", "class Inner") + "\nAcmePlugin = Inner()\n", (1, "a literal")),
        (
            PLUGIN.replace("class AcmePlugin", "class Inner") + "\ndef AcmePlugin():\n    return Inner()\n",
            (1, "a literal"),
        ),
    ],
    ids=["annotated", "follows", "computed", "a bool", "imported", "an instance", "a factory"],
)
def test_targets_api_is_read_where_the_source_states_it(
    machine: Machine, plugin: str, expected: tuple[int | None, str]
) -> None:
    machine.install(plugin=plugin)
    [row] = machine.examine()[1]["plugins"]
    assert expected == (row["targets_api"], row["targets_api_note"])


@pytest.mark.parametrize(
    ("entry_points", "plugin", "kind"),
    [
        ("[pipelex.plugins]\nacme = acme_plugin:AcmePlugin\n", PLUGIN.replace("api = 1", "api = 99"), "api_mismatch"),
        ("[pipelex.plugins]\nacme = acme_plugin:AcmePlugin\n", "def broken(:\n", "broken_source"),
        ("[pipelex.plugins]\nacme = nowhere.plugin:AcmePlugin\n", "", "missing_module"),
        ("[pipelex.plugins]\nacme = json.nowhere:AcmePlugin\n", "", "missing_module"),
        ("[pipelex.plugins]\nacme = this is no entry point\n", "", "broken_metadata"),
        ("[pipelex.plugins\nacme = x\n", "", "broken_metadata"),
        ("[pipelex.plugins]\nlocal = acme_plugin:AcmePlugin\n", PLUGIN.replace('"acme"', '"local"'), "conflict"),
        (ENTRY, PLUGIN.replace('add_command(name="acme"', 'add_command(name="llm"'), "conflict"),
    ],
    ids=[
        "another API",
        "no Python",
        "no such package",
        "no such module",
        "no entry point",
        "no metadata",
        "a built-in's name",
        "a core command",
    ],
)
def test_a_broken_plugin_is_one_finding_that_names_it_and_the_way_out(
    machine: Machine, entry_points: str, plugin: str, kind: str
) -> None:
    machine.install(entry_points=entry_points, plugin=plugin)
    code, data = machine.examine()
    assert 1 == code
    assert {kind} == {finding["id"] for finding in data["findings"]}
    assert all("acme-dist" in finding["message"] + finding["fix"] for finding in data["findings"])


def test_metadata_that_is_no_text_is_a_finding_and_kills_neither_the_diagnosis_nor_the_list(machine: Machine) -> None:
    machine.install()
    (machine.path / "acme_dist-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[pipelex.plugins]\n")
    finding = machine.one_finding()
    assert ("broken_metadata", "acme-dist") == (finding["id"], finding["subject"])
    assert 1 == main(["plugins", "list"])


def test_a_disabled_plugin_is_shown_and_is_no_finding(machine: Machine) -> None:
    machine.configure('[plugins]\ndisabled = ["Acme"]\n')
    machine.install(plugin="def broken(:\n")
    code, data = machine.examine()
    assert (0, ["disabled"]) == (code, [row["status"] for row in data["plugins"]])


def test_two_plugins_that_claim_one_name_are_a_conflict_that_names_both(machine: Machine) -> None:
    machine.install()
    machine.install("other-dist", "[pipelex.plugins]\nAcme = other_plugin:Plugin\n")
    (machine.path / "other_plugin.py").write_text(PLUGIN.replace('sdk="acme"', 'sdk="b"').replace('e="acme"', 'e="b"'))
    finding = next(found for found in machine.examine()[1]["findings"] if found["id"] == "conflict")
    assert "acme-dist 1.0" in finding["message"]
    assert "other-dist 1.0" in finding["message"]


@pytest.mark.parametrize(
    ("name", "plugin"), [("acme", PLUGIN), ("acme", "def broken(:\n"), ("openai", "def broken(:\n")]
)
def test_the_fix_disables_no_other_plugin(machine: Machine, name: str, plugin: str) -> None:
    if name == "acme":
        machine.install("good-dist", "[pipelex.plugins]\nAcme = good_plugin:AcmePlugin\n")
        (machine.path / "good_plugin.py").write_text(PLUGIN)
    machine.install(entry_points=f"[pipelex.plugins]\n{name} = acme_plugin:AcmePlugin\n", plugin=plugin)
    machine.configure("[plugins]\ndisabled = []\n")
    fixes = {finding["fix"] for finding in machine.examine()[1]["findings"]}
    assert fixes
    assert all("pip uninstall" in fix and "disabled" not in fix for fix in fixes)


def test_an_unknown_name_on_the_denylist_is_a_finding_with_the_nearest(machine: Machine) -> None:
    machine.install()
    machine.configure('[plugins]\ndisabled = ["acm"]\n')
    finding = machine.one_finding()
    assert ("unknown_disabled", "acm", 'write "acme"') == (finding["id"], finding["subject"], finding["fix"])


def test_every_fault_of_every_file_is_found_with_its_line(machine: Machine) -> None:
    pipelex = machine.configure(
        "[plugins]\ndisable = []\ndisabled = [1]\n"
        "[backend.acme]\nx = 1\n"
        '[backends.acme]\nendpoint = 1\napi_key = "${oops"\n'
        '[backends.acme.llm]\ncapabilities = ["streeming", "streaming", "sed"]\n'
        '[defaults]\nllms = "x"\n'
    )
    models = machine.configure('[models.a]\nfamily = "vidio"\n[models.b]\nbackend = "acme"\n', "models.toml")
    machine.install()
    findings = [found for found in machine.examine()[1]["findings"] if found["id"] == "config_error"]
    places = {(found["file"], found["line"]) for found in findings}
    expected = {(str(pipelex), line) for line in (2, 3, 4, 7, 8, 10, 12)} | {(str(models), line) for line in (2, 3)}
    assert expected == places


def test_a_file_that_is_no_toml_is_a_finding_with_its_line(machine: Machine) -> None:
    path = machine.configure("[plugins]\ndisabled = [\n[x\n")
    finding = machine.one_finding()
    assert ("config_error", str(path)) == (finding["id"], finding["file"])
    assert finding["line"] in (2, 3)


def test_what_is_right_in_a_faulty_file_is_still_looked_at(machine: Machine) -> None:
    machine.configure('[plugins]\ndisabled = ["acme"]\n[backends.acme]\nendpoint = 1\napi_key = "${ACME_API_KEY}"\n')
    machine.install()
    assert {
        ("config_error", "backends.acme.endpoint"),
        ("unset_variable", "acme"),
        ("unserved_sdk", "acme"),
    } == set(machine.findings())


def test_every_unset_variable_of_a_backend_is_named_and_no_value_is_shown(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACME_SECRET", "a-secret-value")
    machine.install()
    machine.configure(
        '[backends.acme]\nendpoint = "https://${ACME_HOST}/${ACME_PATH}"\napi_key = "${ACME_API_KEY}"\n'
        'account = "${ACME_SECRET}"\nplain = "$${NOT_ONE}"\ntoken = "literal-secret"\n'
    )
    _, data = machine.examine()
    [backend] = [row for row in data["backends"] if row["name"] == "acme"]
    assert ["ACME_HOST", "ACME_PATH", "ACME_API_KEY"] == backend["unset_variables"]
    main(["doctor"])
    shown = json.dumps(data) + capfd.readouterr().out
    assert "a-secret-value" not in shown
    assert "literal-secret" not in shown


def test_a_backend_whose_sdk_nobody_serves_is_a_finding(machine: Machine) -> None:
    machine.configure('[backends.acme.llm]\nsdk = "acmee"\n')
    finding = machine.one_finding()
    assert ("unserved_sdk", "acme") == (finding["id"], finding["subject"])
    assert "llm/acmee" in finding["message"]


def test_an_sdk_that_a_plugin_may_serve_is_a_note(machine: Machine) -> None:
    machine.install(plugin="from elsewhere import AcmePlugin\n")
    machine.configure("[backends.acme]\n")
    code, data = machine.examine()
    assert (0, ["sdk_not_known"]) == (code, [note["id"] for note in data["notes"]])


def test_a_backend_of_a_disabled_plugin_says_so(machine: Machine) -> None:
    machine.install()
    machine.configure('[plugins]\ndisabled = ["acme"]\n[backends.acme]\n')
    finding = machine.one_finding()
    assert "plugin 'acme' would, and is disabled" in finding["message"]


def test_a_missing_sdk_is_a_finding_where_a_backend_in_use_needs_it(machine: Machine) -> None:
    machine.install()
    metadata = machine.path / "acme_dist-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + 'Provides-Extra: acme\nRequires-Dist: acme-sdk>=2; extra == "acme"\n')
    assert [] == machine.findings()
    assert ["missing_extra"] == [note["id"] for note in machine.examine()[1]["notes"]]
    machine.configure("[backends.acme]\n")
    finding = machine.one_finding()
    assert "missing_extra" == finding["id"]
    assert "acme_sdk.client" in finding["message"]
    assert finding["fix"].startswith("pip install ")


def test_a_missing_package_of_a_builtin_is_shown_with_the_line_that_installs_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = {name for builtin in read_spi_lock().builtins for name in builtin.imports if builtin.extra}

    def blind(name: str) -> ModuleLocation:
        return ModuleLocation(is_missing=True) if name in absent else locate(name)

    monkeypatch.setattr(plugins_part, "locate", blind)
    _, data = machine.examine()
    rows = [row for row in data["builtins"] if row["extra"]]
    assert rows
    assert all(row["missing"] and row["install"].startswith("pip install ") for row in rows)
    assert {"missing_extra"} == {note["id"] for note in data["notes"]}


def test_a_default_model_that_nothing_explains_is_a_finding(machine: Machine) -> None:
    machine.configure('[defaults]\nllm = "no-such-model"\n')
    finding = machine.one_finding()
    assert ("unknown_default_model", "no-such-model", 2) == (finding["id"], finding["subject"], finding["line"])


def test_a_part_that_dies_makes_the_diagnosis_incomplete_and_not_healthy(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> object:
        raise RuntimeError("planted")

    monkeypatch.setattr(plugins_part, "installed_plugins", fail)
    code, data = machine.examine()
    assert (2, [{"part": "plugins", "reason": "RuntimeError: planted"}]) == (code, data["incomplete"])
    assert data["builtins"]


def test_no_plugin_and_no_package_around_one_is_imported(tmp_path: Path) -> None:
    """The planted package ends the process when it is imported; so does the SDK that the plugin guards."""
    entry = "[pipelex.plugins]\nacme = acme_pkg.inner.plugin:AcmePlugin\n"
    write_distribution(tmp_path, name="acme-dist", entry_points=entry)
    deadly = "import os\nos._exit(77)\n"
    for package in ("acme_pkg", "acme_pkg/inner", "acme_sdk"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(deadly)
    (tmp_path / "acme_pkg" / "inner" / "plugin.py").write_text(deadly + PLUGIN)
    code = (
        "import sys\nfrom pipelex.cli.main import main\ncode = main(['doctor', '--json'])\n"
        "own = ('acme', 'pipelex.providers', 'pipelex.generated.builtins')\n"
        "loaded = [name for name in sys.modules if name.startswith(own)]\n"
        "assert not loaded, loaded\nsys.exit(code)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    [row] = json.loads(done.stdout)["plugins"]
    assert str(tmp_path / "acme_pkg" / "inner" / "plugin.py") == row["file"]
    assert 1 == row["targets_api"]


def test_the_documentation_lists_every_kind_of_finding_and_no_other() -> None:
    root = Path(__file__).parents[2]
    sources = (root / "src" / "pipelex" / "diagnosis").glob("*.py")
    found = {kind for path in sources for kind in re.findall(r'inding\(\s*"(\w+)"', path.read_text(encoding="utf-8"))}
    section = (root / "docs" / "doctor.md").read_text(encoding="utf-8").partition("## JSON")[0]
    assert found == set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))


def test_a_misspelt_entry_point_group_is_a_finding_that_names_the_distribution(machine: Machine) -> None:
    machine.install(entry_points="[pipelex_plugins]\nacme = acme_plugin:AcmePlugin\n")
    finding = machine.one_finding()
    assert ("near_group", "acme-dist") == (finding["id"], finding["subject"])
    assert "pipelex_plugins" in finding["message"]
    assert '[project.entry-points."pipelex.plugins"]' in finding["fix"]


def test_a_plugin_that_requires_pipelex_is_a_finding(machine: Machine) -> None:
    machine.install()
    metadata = machine.path / "acme_dist-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: pipelex>=0.1\n")
    finding = machine.one_finding()
    assert ("requires_pipelex", "acme-dist") == (finding["id"], finding["subject"])


@pytest.mark.parametrize("leftover", ["acme_dist-0.9.dist-info", "~cme_dist-1.0.dist-info"])
def test_a_shadowed_version_and_what_pip_left_are_not_examined(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leftover: str
) -> None:
    machine.install()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    write_distribution(tmp_path / "later", name="acme-dist", entry_points="[pipelex_plugins]\nacme = acme_plugin:X\n")
    metadata = tmp_path / "later" / "acme_dist-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: pipelex>=0.1\n")
    metadata.parent.rename(metadata.parent.with_name(leftover))
    assert [] == machine.findings()


@pytest.mark.parametrize(("disabled", "expected"), [("", True), ('[plugins]\ndisabled = ["acme"]\n', False)])
def test_where_a_plugin_is_enabled_the_last_line_names_the_command_that_loads_it(
    machine: Machine, disabled: str, expected: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.install()
    machine.configure(disabled)
    main(["doctor"])
    assert expected == ("Not loaded: run 'pipelex plugins list'" in capfd.readouterr().out)


def test_what_a_plugin_contributes_is_read_across_its_files_bases_and_helpers(machine: Machine) -> None:
    write_distribution(
        machine.path,
        name="acme-dist",
        entry_points="[pipelex.plugins]\nacme = acme_entry:AcmePlugin\n",
        acme_entry="from acme_entry_base import AcmePlugin\n",
        acme_entry_base=PLUGIN,
    )
    _, data = machine.examine()
    assert not data["plugins"][0]["contributions_complete"]  # another top-level module: not read
    package = machine.path / "acme_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "keys.py").write_text('SDK = "acme"\n')
    (package / "plugin.py").write_text(
        "from pipelex.plugins.inference_backend_registry import InferenceFamily as Family\n"
        "from acme_pkg.keys import SDK\n\n"
        "class Base:\n    name = 'acme'\n    targets_api = 1\n\n"
        "    def register(self, registrar):\n        self._backends(registrar)\n        add_lister(menu=registrar)\n\n"
        "    def _backends(self, menu):\n"
        "        menu.add_inference_backend(family=Family.LLM, sdk=SDK, make_worker=len)\n\n"
        "def add_lister(menu):\n    menu.add_model_lister(sdk=SDK, lister=len)\n\n"
        "class AcmePlugin(Base):\n    pass\n"
    )
    entry_points = machine.path / "acme_dist-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text("[pipelex.plugins]\nacme = acme_pkg.plugin:AcmePlugin\n")
    [row] = machine.examine()[1]["plugins"]
    assert row["contributions_complete"]
    assert [("inference_backend", "acme"), ("model_lister", "acme")] == [
        (one["kind"], one["sdk"]) for one in row["contributions"]
    ]
