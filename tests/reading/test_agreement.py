"""What the check, ``doctor`` and loading find in one plugin is the same, as far as it can be known without loading."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.checking.check import check
from pipelex.cli.main import main
from tests.acme.environment import write_distribution

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = """
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.registrar import PluginRegistrar


class AcmePlugin:
    name = "acme"
    targets_api = 1

    def register(self, registrar: PluginRegistrar) -> None:
        pass
"""

NAME = '    name = "acme"\n'
RULES = ("PX402", "PX403", "PX404")


class Case(NamedTuple):
    """A plugin, and whether reading it is enough to see that it is broken."""

    source: str
    rule: str | None
    finding: str | None
    value: str = "AGREED:AcmePlugin"


def changed(old: str, new: str) -> str:
    assert old in PLUGIN
    return PLUGIN.replace(old, new)


CASES = {
    # broken, as loading finds it
    "the entry point is a module": Case(PLUGIN, "PX402", "no_plugin", "AGREED"),
    "a class that was renamed after an editable install": Case(PLUGIN, "PX402", "no_plugin", "AGREED:OldPlugin"),
    "a constructor with an argument": Case(
        changed("    name =", "    def __init__(self, key: str) -> None:\n        self.key = key\n\n    name ="),
        "PX402",
        "no_plugin",
    ),
    "a factory with an argument": Case(
        f"{PLUGIN}\n\ndef make(key: str) -> AcmePlugin:\n    return AcmePlugin()\n", "PX402", "no_plugin", "AGREED:make"
    ),
    "a factory that returns nothing": Case(
        f"{PLUGIN}\n\ndef make() -> None:\n    AcmePlugin()\n", "PX402", "no_plugin", "AGREED:make"
    ),
    "a constant": Case(f'{PLUGIN}\nPLUGIN = "acme"\n', "PX402", "no_plugin", "AGREED:PLUGIN"),
    "a table": Case(f"{PLUGIN}\nPLUGIN = {{'acme': AcmePlugin}}\n", "PX402", "no_plugin", "AGREED:PLUGIN"),
    "no register": Case(changed("def register", "def registers"), "PX402", "no_plugin"),
    "no name": Case(changed(NAME, ""), "PX402", "no_plugin"),
    "no targets_api": Case(changed("    targets_api = 1\n", ""), "PX402", "no_plugin"),
    "register is a constant": Case(
        PLUGIN.partition("    def register")[0] + "    register = None\n", "PX402", "no_plugin"
    ),
    "register is async": Case(changed("    def register", "    async def register"), "PX402", "no_plugin"),
    "register yields": Case(PLUGIN.replace("        pass\n", "        yield\n"), "PX402", "no_plugin"),
    "an empty name": Case(changed('name = "acme"', 'name = ""'), "PX403", "bad_name"),
    "a name that is a number": Case(changed('name = "acme"', "name = 7"), "PX403", "bad_name"),
    "a name in capitals": Case(changed('name = "acme"', 'name = "Acme"'), "PX403", "bad_name"),
    "targets_api is a string": Case(changed("targets_api = 1", 'targets_api = "1"'), "PX404", "api_mismatch"),
    "targets_api is a bool": Case(changed("targets_api = 1", "targets_api = True"), "PX404", "api_mismatch"),
    "targets_api is another version": Case(changed("targets_api = 1", "targets_api = 99"), "PX404", "api_mismatch"),
    "targets_api of a base": Case(
        changed("class AcmePlugin:", "class Base:\n    targets_api = '1'\n\n\nclass AcmePlugin(Base):").replace(
            "    targets_api = 1\n", ""
        ),
        "PX404",
        "api_mismatch",
    ),
    # legal
    "a register with a generator in it": Case(
        PLUGIN.replace("        pass\n", "        def names() -> Iterator[str]:\n            yield 'acme'\n").replace(
            "\nfrom pipelex", "\nfrom collections.abc import Iterator\n\nfrom pipelex", 1
        ),
        None,
        None,
    ),
    "a class": Case(PLUGIN, None, None),
    "an extra behind the entry point": Case(PLUGIN, None, None, "AGREED:AcmePlugin [acme]"),
    "an instance": Case(f"{PLUGIN}\nPLUGIN = AcmePlugin()\n", None, None, "AGREED:PLUGIN"),
    "a factory with a default": Case(
        f"{PLUGIN}\n\ndef make(key: str = '') -> AcmePlugin:\n    return AcmePlugin()\n", None, None, "AGREED:make"
    ),
    "a property": Case(
        changed('    name = "acme"\n', '    @property\n    def name(self) -> str:\n        return "acme"\n\n'),
        None,
        None,
    ),
    "an attribute set in the constructor": Case(
        changed(NAME, '    def __init__(self) -> None:\n        self.name = "acme"\n\n'), None, None
    ),
    "a name that is bound by unpacking": Case(
        f"{PLUGIN}\nPLUGIN, OTHER = AcmePlugin(), 1\n", None, None, "AGREED:PLUGIN"
    ),
    "a register that a base brings": Case(
        PLUGIN + "\n\nclass Named(AcmePlugin):\n    name = 'acme'\n", None, None, "AGREED:Named"
    ),
    "a module that is a plugin itself": Case(
        "from pipelex.plugins.registrar import PluginRegistrar\n\nname = 'acme'\ntargets_api = 1\n\n\n"
        "def register(registrar: PluginRegistrar) -> None:\n    pass\n",
        None,
        None,
        "AGREED",
    ),
}


@pytest.mark.parametrize("words", CASES)
def test_check_doctor_and_loading_agree_on_a_plugin(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    case, module = CASES[words], f"agreed_{list(CASES).index(words)}"
    value = case.value.replace("AGREED", module)
    write_distribution(
        tmp_path, name="acme-dist", entry_points=f"[pipelex.plugins]\nacme = {value}\n", **{module: case.source}
    )
    metadata = tmp_path / "acme_dist-1.0.dist-info"
    (metadata / "RECORD").write_text(f"{module}.py,,\nacme_dist-1.0.dist-info/entry_points.txt,,\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    (checked,) = check(["acme-dist"]).checked
    assert {case.rule} - {None} == {one.rule for one in checked.findings if one.rule in RULES}
    (read,) = check(["acme-dist"], loads=False).checked
    assert {case.rule} - {None} == {one.rule for one in read.findings if one.rule in RULES}

    main(["doctor", "--json"])
    doctor = json.loads(capfd.readouterr().out)
    assert {case.finding} - {None} == {one["id"] for one in doctor["findings"]}
    assert module not in sys.modules

    main(["plugins", "list", "--json"])
    (row,) = [row for row in json.loads(capfd.readouterr().out)["plugins"] if row["origin"] == "external"]
    assert ("broken" if case.rule else "active") == row["status"]
