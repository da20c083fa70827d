"""One rule for names, held by all who state it: the contract's checks, the generator and the scaffold."""

from __future__ import annotations

import json

import pytest

from codegen.errors import CodegenError
from codegen.spec import parse_spec
from pipelex.plugins.contribution_checks import check_identifier
from pipelex.plugins.exceptions import InvalidContributionError
from pipelex.spi.names import canonical, is_identifier

NAMES = {
    "acme": True,
    "01ai": True,
    "a": True,
    "a--b": True,
    "acme_ai.v2-x": True,
    "": False,
    "linkup-": False,
    ".acme": False,
    "Acme": False,
    "a b": False,
    "é": False,
    "acme\n": False,
}
SPEC = """\
api_version = 1
revision = 0
entry_point_group = "pipelex.plugins"
[[family]]
name = "LLM"
value = "llm"
about = "Text."
words = "models"
worker = "pipelex.cogt.llm:Worker"
job = "pipelex.cogt.llm:Job"
kit = "pipelex.testing.llm:Kit"
command = "llm"
help = "Ask."
first_call = "pipelex llm"
[symbols]
"pipelex.cogt.llm:Worker" = { since = "1.0", role = "a worker" }
"pipelex.cogt.llm:Job" = { since = "1.0", role = "a call" }
"""


@pytest.mark.parametrize(("name", "valid"), NAMES.items())
def test_a_plugin_and_a_row_of_the_spec_are_held_to_the_same_rule(name: str, valid: bool) -> None:
    assert valid == is_identifier(name)
    assert valid == _is_accepted_by_the_contract(name)
    assert valid == _is_accepted_by_the_generator(name)


def _is_accepted_by_the_contract(name: str) -> bool:
    try:
        check_identifier("acme", "sdk", name)
    except InvalidContributionError:
        return False
    return True


def _is_accepted_by_the_generator(name: str) -> bool:
    try:
        parse_spec(SPEC + _row("acme", json.dumps(name)))
    except CodegenError as exc:
        return {problem.where for problem in exc.problems} != {"builtin[0].workers[0].sdk"}
    return True


def _row(name: str, sdk: str) -> str:
    worker = f'{{family = "LLM", sdk = {sdk}, worker = "a:B"}}'
    return f'[[builtin]]\nname = "{name}"\ntitle = "all"\nworkers = [{worker}]\n'


@pytest.mark.parametrize(
    ("name", "spelling"),
    [("Acme_AI", "acme-ai"), ("acme.ai", "acme-ai"), ("a--b", "a-b"), ("a_.-b", "a-b"), ("acme", "acme")],
)
def test_a_name_has_one_canonical_spelling(name: str, spelling: str) -> None:
    assert spelling == canonical(name)


def test_two_spellings_of_one_name_are_duplicates_for_the_generator() -> None:
    with pytest.raises(CodegenError, match="duplicate plugin name 'a-b'"):
        parse_spec(SPEC + _row("a-b", '"one"') + _row("a--b", '"two"'))
