"""Everything that the generator reads, read and checked: what the emitters are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.contract import Contract
from codegen.emit import api_version
from codegen.spec import SPEC_FILE, Spec, parse_spec
from codegen.tree_checks import check_tree

if TYPE_CHECKING:
    from codegen.project import Project


@dataclass(frozen=True)
class Inputs:
    """What the emitters are given.

    Attributes:
        spec: What ``spi.toml`` says.
        contract: The published modules as signatures.
        contract_text: The text of ``contract.py`` with this API version stamped in.
    """

    spec: Spec
    contract: Contract
    contract_text: str


def read_inputs(project: Project) -> Inputs:
    """Read and check everything.

    Args:
        project: Where it is read from.

    Raises:
        CodegenError: Something is wrong; all that one step found is in it.
    """
    spec_file = parse_spec(project.read(SPEC_FILE))
    check_tree(project, spec_file)
    contract_text = api_version.emit(project.read(api_version.CONTRACT_FILE), spec_file.spec.api_version)
    project.overlay(api_version.CONTRACT_FILE, contract_text)
    return Inputs(spec_file.spec, Contract(project, spec_file), contract_text)
