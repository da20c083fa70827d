"""Of the package the generator imports pipelex.spi alone, so that it works while the rest of src/ is broken."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.tree import ROOT, imports_below

MODULES = ("codegen.outputs", "codegen.cli", "codegen.bump", "codegen.changes", "codegen.compat.commands")
WITH_A_BROKEN_PACKAGE = """\
import sys
sys.path[:0] = [{root!r}, {root!r} + "/src"]

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("pipelex.") and not (name + ".").startswith("pipelex.spi."):
            raise ImportError(name + " is broken")

sys.meta_path.insert(0, Broken())
for name in {modules!r}:
    __import__(name)

from pathlib import Path
from codegen.outputs import render
from codegen.project import Project
print(*render(Project(Path({root!r}))).problems)
"""


def reaches() -> list[str]:
    """Return each import of the generator that is of the package and not of ``pipelex.spi``."""
    return [
        str(found)
        for found in imports_below(ROOT / "codegen")
        if found.module.startswith("pipelex") and not f"{found.module}.".startswith("pipelex.spi.")
    ]


def run_with_a_broken_package(*modules: str) -> subprocess.CompletedProcess[str]:
    """Import modules in a process in which the package is broken but for its base."""
    script = WITH_A_BROKEN_PACKAGE.format(root=str(ROOT), modules=modules)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_the_generator_imports_nothing_else_but_the_rules_for_their_page_and_the_check_of_real_plugins() -> None:
    assert ["compat/affected.py", "emit/rules_doc.py"] == sorted({found.partition(":")[0] for found in reaches()})


def test_all_but_the_rules_are_rendered_while_the_package_is_broken() -> None:
    done = run_with_a_broken_package(*MODULES)
    assert 0 == done.returncode, done.stderr
    [problem] = done.stdout.splitlines()
    assert problem.startswith("src/pipelex/checking/rules: cannot be imported (ImportError: pipelex.")


def test_an_import_of_the_rest_of_the_package_is_found() -> None:
    done = run_with_a_broken_package(*MODULES, "pipelex.hub")
    assert (1, "pipelex.hub is broken") == (done.returncode, done.stderr.splitlines()[-1].partition(": ")[2])
