"""Each output of the small project, held word for word; ``UPDATE_GOLDEN=1`` writes them anew."""

from __future__ import annotations

import os

import pytest

from tests.codegen.conftest import HERE, SmallProject

GOLDEN = HERE / "golden"

OUTPUTS = (
    ".gitattributes",
    "docs/errors.md",
    "docs/providers.md",
    "docs/spi.md",
    "src/pipelex/generated/accessors.py",
    "src/pipelex/generated/builtins.py",
    "src/pipelex/generated/families.py",
    "src/pipelex/plugins/contract.py",
    "src/pipelex/plugins/inference_backend_registry.py",
    "src/pipelex/spi/spi.lock",
    "src/pipelex/spi/v3/pipelex/__init__.pyi",
    "src/pipelex/spi/v3/pipelex/cogt/__init__.pyi",
    "src/pipelex/spi/v3/pipelex/cogt/llm/__init__.pyi",
    "src/pipelex/spi/v3/pipelex/cogt/llm/job.pyi",
    "src/pipelex/spi/v3/pipelex/cogt/llm/worker.pyi",
    "src/pipelex/spi/v3/pipelex/exceptions.pyi",
    "src/pipelex/spi/v3/pipelex/plugins/__init__.pyi",
    "src/pipelex/spi/v3/pipelex/plugins/contract.pyi",
    "src/pipelex/spi/v3/pipelex/plugins/inference_backend_registry.pyi",
    "src/pipelex/spi/v3/pipelex/plugins/model_lister_registry.pyi",
    "src/pipelex/spi/v3/pipelex/py.typed",
    "src/pipelex/worker_factories.py",
)


def test_the_generator_makes_these_files_and_no_other(small: SmallProject) -> None:
    """The schema and the rules have no golden file: they do not depend on the project."""
    assert {*OUTPUTS, "codegen/spi.schema.json", "docs/rules.md"} == set(small.render())


@pytest.mark.parametrize("path", OUTPUTS)
def test_an_output_is_as_the_golden_file_has_it(small: SmallProject, path: str) -> None:
    golden = GOLDEN / f"{path}.txt"
    rendered = small.render()[path]
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(rendered, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == rendered
