"""Every rule finds its positive example, and nothing in the near miss."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pipelex.checking.check import check
from pipelex.checking.examples import SAMPLE
from pipelex.checking.rules import hooks, imports, packaging, register, shapes, types, waivers
from pipelex.checking.rules.catalogue import GROUPS, RULES
from tests.checking.written import write_example

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.checking.check import Checked
    from pipelex.checking.rules.rule import Rule

IDS = [rule.id for rule in RULES]


def checked(folder: Path, files: dict[str, str]) -> Checked:
    write_example(folder, files)
    result = check([str(folder)])
    assert () == result.failures
    return result.checked[0]


def test_the_sample_is_clean(tmp_path: Path) -> None:
    assert () == checked(tmp_path, {}).findings


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    """The examples of all rules, checked together: mypy is started once."""
    folders = {}
    for rule in RULES:
        for name, files in (("positive", rule.positive), ("near miss", rule.near_miss)):
            folders[f"{name} {rule.id}"] = tmp_path_factory.mktemp(rule.id)
            write_example(folders[f"{name} {rule.id}"], files)
    result = check([str(folder) for folder in folders.values()])
    assert () == result.failures
    return dict(zip(folders, result.checked, strict=True))


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_the_positive_example_is_found(examples: dict[str, Checked], rule: Rule) -> None:
    example = examples[f"positive {rule.id}"]
    found = [finding for finding in example.findings if finding.rule == rule.id]
    assert found, f"{rule.id} finds nothing in its own example"
    for finding in found:
        assert rule.severity == finding.severity
        assert finding.message
        assert finding.expected
        assert finding.fix
        assert finding.place.file.is_relative_to(example.root.resolve())


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_the_near_miss_is_clean(examples: dict[str, Checked], rule: Rule) -> None:
    assert () == examples[f"near miss {rule.id}"].findings


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_is_complete(rule: Rule) -> None:
    assert re.fullmatch(r"PX[1-9][0-9]{2}", rule.id)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.id[:3] in GROUPS
    assert rule.reason.endswith(".")
    assert rule.positive
    assert rule.near_miss
    assert rule.positive != rule.near_miss
    assert SAMPLE != {**SAMPLE, **rule.positive}
    assert SAMPLE != {**SAMPLE, **rule.near_miss}


def test_ids_and_names_are_unique() -> None:
    assert len(RULES) == len(set(IDS)) == len({rule.name for rule in RULES})


def test_the_rules_of_a_group_are_in_one_module_and_in_the_order_of_their_ids() -> None:
    assert sorted(IDS) == IDS
    modules = (types, imports, register, packaging, shapes, hooks, waivers)
    assert list(GROUPS) == [group for module in modules for group in {rule.id[:3] for rule in module.RULES}]
