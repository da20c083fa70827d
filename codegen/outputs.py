"""The table of contents: every file that the generator makes, and the emitter that renders it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.call_shapes import read_call_shapes
from codegen.counterparts import read_counterparts
from codegen.emit import (
    accessors,
    api_versions_doc,
    builtins,
    change_log,
    errors_doc,
    families,
    gitattributes,
    lock,
    providers_doc,
    rules_doc,
    schema,
    spi_changes_doc,
    spi_doc,
    stubs,
)
from codegen.frozen import check_frozen, outdated
from codegen.inputs import read_inputs
from codegen.writer import Outputs

if TYPE_CHECKING:
    from codegen.inputs import Inputs
    from codegen.project import Project


def render(project: Project) -> Outputs:
    """Render every file that the generator makes.

    Args:
        project: What is read.

    Returns:
        The files; nothing has been written.

    Raises:
        CodegenError: The input is wrong, or a frozen version was edited.
    """
    inputs = read_inputs(project)
    watched = check_frozen(project, inputs.spec)
    outputs = render_inputs(project, inputs)
    outputs.watched += watched
    outputs.outdated = outdated(project, inputs.spec, outputs.texts)
    return outputs


def render_inputs(project: Project, inputs: Inputs) -> Outputs:
    """Render every file that follows from what was read.

    Args:
        project: Where the rest is read from.
        inputs: What was read and checked.
    """
    spec, contract = inputs.spec, inputs.contract
    stub_folder = stubs.folder(spec.api_version)

    outputs = Outputs()
    outputs.problems += inputs.missing
    stub_texts = stubs.emit(contract)
    shapes = read_call_shapes(contract, stub_texts)
    outputs.add("src/pipelex/generated/builtins.py", builtins.emit(spec, shapes))
    outputs.add("src/pipelex/generated/families.py", families.emit_tokens(spec))
    outputs.add("src/pipelex/generated/accessors.py", accessors.emit(spec, shapes))
    outputs.add("src/pipelex/worker_factories.py", families.emit_factories(spec))
    if families.mapped_families(spec):
        outputs.add("src/pipelex/bulk/kinds.py", families.emit_map_kinds(spec))
        outputs.add("src/pipelex/bulk/methods.py", families.emit_map_methods(spec))
    for path, text in stub_texts.items():
        outputs.add(f"{stub_folder}/{path}", text)
    outputs.add_bare(f"{stub_folder}/pipelex/py.typed", "")
    outputs.own_folder(stub_folder)
    outputs.add_bare("codegen/spi.schema.json", schema.emit())
    outputs.add(".gitattributes", gitattributes.emit())
    if spec.version:
        outputs.add("src/pipelex/spi/changes.toml", change_log.emit(spec))
    outputs.add("src/pipelex/spi/spi.lock", lock.emit(contract, outputs.texts, stub_folder=stub_folder))
    outputs.add("docs/spi.md", spi_doc.emit(spec))
    outputs.add("docs/errors.md", errors_doc.emit(project, spec))
    outputs.add("docs/providers.md", providers_doc.emit(project, spec, read_counterparts(project)))
    with outputs.import_problems_noted():
        outputs.add("docs/rules.md", rules_doc.emit())
    if spec.version:
        outputs.add("docs/spi-changes.md", spi_changes_doc.emit(spec))
        for number, text in api_versions_doc.emit(project, spec).items():
            outputs.add(f"docs/api-versions/v{number}.md", text)
    for path, text in inputs.stamped.items():
        outputs.add_bare(path, text)
    return outputs
