"""Freezing: the present stubs and lock become a version that is held to a digest and never rendered again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.emit import lock, stubs
from codegen.errors import CodegenError, Problem
from codegen.frozen import LOCK, digest_of, folder_of, standing
from codegen.inputs import read_inputs
from codegen.outputs import render_inputs
from codegen.project import SPEC_FILE
from codegen.writer import Outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.inputs import Inputs
    from codegen.project import Project

PENDING = "pending"
"""The digest of a version that is about to be frozen."""


def frozen_files(inputs: Inputs, outputs: Outputs) -> dict[str, str]:
    """Return what is frozen of a rendered project: the stubs, and a lock of the contract alone.

    Args:
        inputs: What it was rendered from.
        outputs: What was rendered.
    """
    prefix = f"{stubs.folder(inputs.spec.api_version)}/"
    files = {path.removeprefix(prefix): text for path, text in outputs.texts.items() if path.startswith(prefix)}
    frozen = Outputs()
    frozen.add(LOCK, lock.emit(inputs.contract, {}, stub_folder=prefix, frozen=False))
    return {**files, **frozen.texts}


def freeze_project(project: Project, spec_text: str) -> Outputs:
    """Render a project whose last version is to be frozen as it is.

    Args:
        project: The project; nothing of it is written.
        spec_text: The text of ``spi.toml`` to be, the digest of its last version pending.

    Returns:
        All generated files, ``spi.toml`` and the frozen version.

    Raises:
        CodegenError: The input is wrong.
    """
    project.overlay(SPEC_FILE, spec_text)
    inputs = read_inputs(project)
    files = frozen_files(inputs, render_inputs(project, inputs))
    text = spec_text.replace(f'digest = "{PENDING}"', f'digest = "{digest_of(files)}"')
    project.overlay(SPEC_FILE, text)
    inputs = read_inputs(project)
    outputs = render_inputs(project, inputs)
    folder = folder_of(inputs.spec.api_version, inputs.spec)
    add_folder(outputs, folder, files)
    outputs.add_bare(SPEC_FILE, text)
    outputs.watched += [folder_of(row.number, inputs.spec) for row in standing(inputs.spec)]
    return outputs


def add_folder(outputs: Outputs, folder: str, files: Mapping[str, str]) -> None:
    """Add a folder that holds these files and no other stub.

    Args:
        outputs: Where to.
        folder: The folder.
        files: Its texts, by their paths in it.
    """
    for path, text in files.items():
        outputs.add_bare(f"{folder}/{path}", text)
    outputs.own_folder(folder)


def refuse(text: str) -> CodegenError:
    """Make the error of a command that will not do what it is asked to."""
    return CodegenError(Problem(SPEC_FILE, 0, "", text))
