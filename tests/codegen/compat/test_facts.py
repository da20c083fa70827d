"""What of the contract no stub shows is compared as well: the entry-point group, contributions, configuration keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tomli

from codegen.changes import declares, entry_for
from codegen.compat.compare import compare
from codegen.compat.reading.facts import facts_of, facts_of_lock
from codegen.errors import CodegenError
from codegen.inputs import read_inputs
from codegen.project import Project
from codegen.spec import Change, parse_spec
from pipelex.config.plugins_config import PluginsConfig
from tests.codegen.compat.small_spi import tree

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[3]
LOCK_FACTS = facts_of_lock(
    {
        "entry_point_group": "a.plugins",
        "contributions": ["backend", "command"],
        "configuration": ["plugins.disabled"],
        "open_enums": ["pipelex.model:Capability"],
    }
)


@pytest.mark.parametrize(
    ("key", "value", "kinds"),
    [
        ("entry_point_group", {"b.plugins"}, {"entry-point-group-changed"}),
        ("contributions", {"backend"}, {"contribution-removed"}),
        ("configuration", {"plugins.off"}, {"configuration-key-removed", "configuration-key-added"}),
    ],
)
def test_a_change_of_what_no_stub_shows_is_a_break(key: str, value: set[str], kinds: set[str]) -> None:
    new = {**LOCK_FACTS, key: frozenset(value)}
    verdict = compare(replace(tree("old"), facts=LOCK_FACTS), replace(tree("new"), facts=new))
    assert kinds == {finding.kind for finding in verdict.findings}
    assert not verdict.compatible
    for finding in verdict.breaks:
        values = tomli.loads("\n".join(entry_for(finding)))["next"]["change"][0]
        assert declares(Change.model_validate(values), finding), "the entry that bump prints declares the finding"


def test_a_contribution_more_is_an_addition() -> None:
    new = {**LOCK_FACTS, "contributions": LOCK_FACTS["contributions"] | {"probe"}}
    verdict = compare(replace(tree("old"), facts=LOCK_FACTS), replace(tree("new"), facts=new))
    assert [("contribution-added", False)] == [(one.kind, one.breaking) for one in verdict.findings]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pipelex.model:ModelSpec.capabilities", "field-default-changed"),
        ("pipelex.plugins.backends:require_sdk(msg)", "parameter-default-changed"),
    ],
)
def test_a_default_that_no_stub_shows_is_a_break_when_it_changes(name: str, kind: str) -> None:
    old = {**LOCK_FACTS, "unshown_defaults": frozenset({f"{name} = first()", "m:C.same = one()", "m:C.gone = one()"})}
    new = {**LOCK_FACTS, "unshown_defaults": frozenset({f"{name} = second()", "m:C.same = one()"})}
    (finding,) = compare(replace(tree("old"), facts=old), replace(tree("new"), facts=new)).findings
    assert (kind, True, "first()", "second()") == (finding.kind, finding.breaking, finding.old, finding.new)
    values = tomli.loads("\n".join(entry_for(finding)))["next"]["change"][0]
    assert declares(Change.model_validate(values), finding), "the entry that bump prints declares the finding"


AUDIO = ("model", '    IMAGE = "image"', '    IMAGE = "image"\n    AUDIO = "audio"')


def test_an_enum_is_open_only_if_plugins_of_the_old_version_could_know_it() -> None:
    closed = {**LOCK_FACTS, "open_enums": frozenset[str]()}
    old, new = tree("old"), tree("new", AUDIO)
    known = compare(replace(old, facts=LOCK_FACTS), replace(new, facts=LOCK_FACTS))
    just_opened = compare(replace(old, facts=closed), replace(new, facts=LOCK_FACTS))
    assert (True, False) == (known.compatible, just_opened.compatible)
    assert {"enum-member-added", "enum-opened"} == {finding.kind for finding in just_opened.findings}


def test_the_real_contract_states_what_the_code_does() -> None:
    spec = parse_spec((ROOT / "spi.toml").read_text(encoding="utf-8")).spec
    assert {f"plugins.{key}" for key in PluginsConfig._fields} == set(spec.configuration)
    assert spec.contributions
    lock = tomli.loads((ROOT / "src/pipelex/spi/spi.lock").read_text(encoding="utf-8"))
    assert dict(facts_of(read_inputs(Project(ROOT)).contract)) == dict(facts_of_lock(lock))


def test_a_contribution_that_the_registrar_does_not_take_is_refused() -> None:
    project = Project(ROOT)
    text = project.read("spi.toml")
    assert '"model_lister", ' in text
    project.overlay("spi.toml", text.replace('"model_lister", ', "", 1))
    with pytest.raises(CodegenError, match=r"contributions: not the add_ methods of .*expected command, inference"):
        read_inputs(project)
