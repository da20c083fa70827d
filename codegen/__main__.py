"""``python -m codegen``: writes what follows from ``spi.toml``, or checks that it is written; compares versions.

Nothing slow is imported at the top: the fast path of ``--check`` comes first.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.inputs import Inputs
    from codegen.project import Project
    from codegen.writer import Outputs

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "src"))  # pipelex.spi of this project, whether or not one is installed


def render(project: Project) -> Outputs:
    """Render every file that the generator makes. This is the table of contents.

    Args:
        project: What is read.

    Returns:
        The files; nothing has been written.

    Raises:
        CodegenError: The input is wrong, or a frozen version was edited.
    """
    from codegen.freeze import check_frozen
    from codegen.inputs import read_inputs

    inputs = read_inputs(project)
    watched = check_frozen(project, inputs.spec)
    outputs = render_inputs(project, inputs)
    outputs.watched += watched
    return outputs


def render_inputs(project: Project, inputs: Inputs) -> Outputs:
    """Render every file that follows from what was read.

    Args:
        project: Where the rest is read from.
        inputs: What was read and checked.
    """
    from codegen.counterparts import read_counterparts
    from codegen.emit import (
        accessors,
        api_version,
        api_versions_doc,
        builtins,
        change_log,
        errors_doc,
        gitattributes,
        lock,
        providers_doc,
        schema,
        spec_copy,
        spi_changes_doc,
        spi_doc,
        stubs,
    )
    from codegen.writer import Outputs

    spec, contract = inputs.spec, inputs.contract
    stub_folder = stubs.folder(spec.api_version)

    outputs = Outputs()
    outputs.add("src/pipelex/generated/builtins.py", builtins.emit(spec))
    outputs.add("src/pipelex/generated/accessors.py", accessors.emit(spec))
    for path, text in stubs.emit(contract).items():
        outputs.add(f"{stub_folder}/{path}", text)
    outputs.add_bare(f"{stub_folder}/pipelex/py.typed", "")
    outputs.own_folder(stub_folder)
    outputs.add("src/pipelex/spi/spi.toml", spec_copy.emit(inputs.spec_text))
    outputs.add_bare("codegen/spi.schema.json", schema.emit())
    outputs.add(".gitattributes", gitattributes.emit())
    if spec.version:
        outputs.add("src/pipelex/spi/changes.toml", change_log.emit(spec))
    outputs.add("src/pipelex/spi/spi.lock", lock.emit(contract, outputs.texts, stub_folder=stub_folder))
    outputs.add("docs/spi.md", spi_doc.emit(spec))
    outputs.add("docs/errors.md", errors_doc.emit(project, spec))
    outputs.add("docs/providers.md", providers_doc.emit(project, spec, read_counterparts(project)))
    if spec.version:
        outputs.add("docs/spi-changes.md", spi_changes_doc.emit(spec))
        for number, text in api_versions_doc.emit(project, spec).items():
            outputs.add(f"docs/api-versions/v{number}.md", text)
    outputs.add_bare(api_version.CONTRACT_FILE, inputs.contract_text)
    return outputs


def main(arguments: list[str]) -> int:
    """Run the command line.

    Args:
        arguments: What stands behind ``python -m codegen``.

    Returns:
        0: done, or fresh; 1: stale; 2: it could not tell.
    """
    from codegen import freshness

    if arguments[:1] in (["diff"], ["explain"]):
        from codegen.compat import commands

        return commands.run(arguments, default_root=ROOT)
    if arguments == ["--check"] and not os.environ.get("CI") and freshness.is_fresh(ROOT):
        sys.stdout.write("Fresh: nothing has changed since the last run. (--full checks it all the same.)\n")
        return 0
    if arguments[:1] in (["bump"], ["freeze"]):
        from codegen.bump import main as fold

        return fold(arguments[1:], default_root=ROOT, command=arguments[0])
    from codegen.cli import run

    return run(arguments, default_root=ROOT, render=render)


if __name__ == "__main__":
    gc.disable()  # what a run makes lives until its end
    sys.exit(main(sys.argv[1:]))
