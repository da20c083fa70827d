"""A call shape is stated by its protocol; what repeats it in the pages and in the example is compared with it."""

from __future__ import annotations

import ast
from functools import cache
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from pipelex.spi.call_shapes import LIST_MODELS, MAKE_WORKER, CallShape, shipped_call_shape
from tests.architecture.tree import ROOT, SRC, copy_of_src, plant, python_files
from tests.docs.pages import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Function = ast.FunctionDef | ast.AsyncFunctionDef

SHAPES = {protocol: shipped_call_shape(protocol) for protocol in (MAKE_WORKER, LIST_MODELS)}
EXAMPLE = ROOT / "docs" / "examples" / "acme" / "plugin" / "src"
PLACES = {
    MAKE_WORKER: {"pipelex/plugins/inference_backend_registry.py", "pipelex/hub.py", "pipelex/testing/calls.py"},
    LIST_MODELS: {"pipelex/plugins/model_lister_registry.py", "pipelex/cli/show.py", "pipelex/testing/calls.py"},
}
"""The modules that name the keywords of a call shape: its protocol, and who calls with values of its own."""


def texts() -> Iterator[tuple[str, str]]:
    """Yield what a reader copies: the Python of the pages, and the example's modules, each with its name."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        if page.name != "rules.md":  # it shows mistakes, and is generated
            yield from ((page.name, block) for block in blocks(page.read_text(encoding="utf-8"), "python"))
    yield from ((path.name, path.read_text(encoding="utf-8")) for path in python_files(EXAMPLE))


def definitions(text: str, shape: CallShape) -> list[Function]:
    """Return the functions that are meant to be of a call shape: most of its keywords are their parameters."""
    functions, _ = _functions_and_calls(text)
    return [node for node in functions if _is_meant({one.arg for one in node.args.kwonlyargs}, shape)]


@cache  # several shapes are looked for, and most modules of a copy with a planted fault are those of the tree
def _functions_and_calls(text: str) -> tuple[list[Function], list[ast.Call]]:
    nodes = list(ast.walk(ast.parse(dedent(text))))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return functions, [node for node in nodes if isinstance(node, ast.Call)]


def _is_meant(names: set[str], shape: CallShape) -> bool:
    return 2 * len(names.intersection(one.name for one in shape.parameters)) > len(shape.parameters)


def parameters(function: Function) -> list[str]:
    """Spell the parameters of a function as a call shape spells its own."""
    return [ast.unparse(ast.arguments([], [one], None, [], [], None, [])) for one in function.args.kwonlyargs]


def places_of(src: Path, shape: CallShape) -> set[str]:
    """Return the handwritten modules that define or call with most keywords of a call shape."""
    found = set()
    for path in python_files(src):
        file = path.relative_to(src).as_posix()
        if file.startswith(("pipelex/generated/", "pipelex/spi/")):
            continue
        text = path.read_text(encoding="utf-8")
        _, calls = _functions_and_calls(text)
        if definitions(text, shape) or any(_is_meant({str(one.arg) for one in call.keywords}, shape) for call in calls):
            found.add(file)
    return found


@pytest.mark.parametrize("protocol", SHAPES)
def test_the_pages_and_the_example_show_the_call_shape_as_the_protocol_has_it(protocol: str) -> None:
    shape = SHAPES[protocol]
    shown = [(name, parameters(one)) for name, text in texts() for one in definitions(text, shape)]
    assert {"write-a-plugin.md", "acme_plugin.py"} <= {name for name, _ in shown}
    assert [] == [name for name, found in shown if found != [str(one) for one in shape.parameters]]


def test_a_page_that_shows_another_call_shape_is_found() -> None:
    shape = SHAPES[MAKE_WORKER]
    text = (EXAMPLE / "my_pkg" / "acme_plugin.py").read_text(encoding="utf-8")
    planted = text.replace("backend: InferenceBackend,\n    sdk_clients", "backend: object,\n    sdk_clients")
    [found] = definitions(planted, shape)
    assert [str(one) for one in shape.parameters] != parameters(found)


@pytest.mark.parametrize("protocol", SHAPES)
def test_the_keywords_of_a_call_shape_are_named_where_their_values_come_from_and_nowhere_else(protocol: str) -> None:
    assert PLACES[protocol] == places_of(SRC, SHAPES[protocol])


@pytest.mark.parametrize("folder", ["src/pipelex/scaffold/templates", "codegen/templates"])
def test_no_template_spells_the_parameters_of_a_call_shape(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in {".tmpl", ".j2"}]
    assert files
    assert [] == [path.name for path in files for shape in SHAPES.values() if spells(path.read_text("utf-8"), shape)]


def spells(template: str, shape: CallShape) -> bool:
    """Tell whether a template spells most parameters of a call shape."""
    return _is_meant({one.name for one in shape.parameters if f" {one}," in template}, shape)


def test_a_template_that_spells_them_is_found() -> None:
    assert spells(f"def f(\n    *,\n{SHAPES[MAKE_WORKER].lines()}) -> None: ...", SHAPES[MAKE_WORKER])


def test_a_second_place_that_names_the_keywords_is_found(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    line = "def _again(*, inference_model: object, backend: object, sdk_clients: object) -> None: ..."
    plant(src, "pipelex/boot.py", line)
    assert "pipelex/boot.py" in places_of(src, SHAPES[MAKE_WORKER])
