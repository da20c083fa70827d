"""Everything that the generator reads, read and checked: what the emitters are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.contract import Contract
from codegen.emit import api_version, inference_family
from codegen.errors import CodegenError
from codegen.family_parts import missing_parts
from codegen.project import SPEC_FILE
from codegen.spec import Spec, parse_spec
from codegen.tree_checks import check_tree

if TYPE_CHECKING:
    from codegen.errors import Problem
    from codegen.project import Project


@dataclass(frozen=True)
class Inputs:
    """What the emitters are given.

    Attributes:
        spec: What ``spi.toml`` states.
        contract: The published modules as signatures.
        stamped: The handwritten modules with what is stamped into them, by path.
        missing: The handwritten parts of families that are missing, and that nothing is generated from.
    """

    spec: Spec
    contract: Contract
    stamped: dict[str, str]
    missing: list[Problem]


def read_inputs(project: Project) -> Inputs:
    """Read and check everything.

    Args:
        project: Where it is read from.

    Raises:
        CodegenError: Something is wrong; all that one step found is in it.
    """
    spec_file = parse_spec(project.read(SPEC_FILE))
    check_tree(project, spec_file)
    spec = spec_file.spec
    stamped = {
        api_version.CONTRACT_FILE: api_version.emit(project.read(api_version.CONTRACT_FILE), spec.api_version),
        inference_family.REGISTRY_FILE: inference_family.emit(project.read(inference_family.REGISTRY_FILE), spec),
    }
    for path, text in stamped.items():
        project.overlay(path, text)
    missing = missing_parts(project, spec_file)
    try:
        contract = Contract(project, spec_file)
    except CodegenError as exc:
        raise CodegenError(*exc.problems, *missing) from exc
    return Inputs(spec, contract, stamped, missing)
