"""The real stub tree: against itself, reordered, documented anew, and with a planted break."""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from codegen.__main__ import main
from codegen.compat.asking.typecheck import check
from codegen.compat.compare import Job, compare, compare_all
from codegen.compat.model import Direction
from codegen.compat.reading import pair
from codegen.compat.reading.directions import infer
from codegen.compat.reading.trees import STUBS, StubTree, api_version, read_shapes, read_tree
from codegen.project import Project
from tests.codegen.compat.small_spi import everything

if TYPE_CHECKING:
    from codegen.compat.model import CompatFinding

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def real() -> StubTree:
    """The stub tree of the current version, as it is committed."""
    return read_tree(ROOT / STUBS / f"v{api_version(Project(ROOT))}", "real")


def edited(tree: StubTree, module: str, old: str, new: str) -> StubTree:
    path = f"pipelex/{module}.pyi"
    assert old in tree.files[path]
    return StubTree("edited", {**tree.files, path: tree.files[path].replace(old, new, 1)})


def test_the_real_tree_is_compatible_with_itself(real: StubTree, cache: Path) -> None:
    assert () == compare(real, real, cache=cache).findings


def test_the_program_of_the_real_tree_asks_and_can_be_answered_with_no(
    real: StubTree, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that no answer can make red would prove nothing. All is asked, though no difference reaches it."""
    monkeypatch.setattr(pair, "reached", everything)
    job = Job(real, real, "real")
    assert len(job.symbols) > 100
    assert (set(), {}) == job.sheet.answers(job.program, check(job.program, cache))
    tampered = dict(job.program)
    tampered["real_new.pyi"] = tampered["real_new.pyi"].replace("sdk_clients: ", "clients: ")
    assert tampered != job.program
    refused = {job.symbols[number][0] for number in job.sheet.answers(tampered, check(tampered, cache)).failed}
    assert "pipelex.plugins.inference_backend_registry:MakeWorkerFn" in refused
    assert "pipelex.plugins.contract:PipelexPlugin" in refused


FunctionT = TypeVar("FunctionT", ast.FunctionDef, ast.AsyncFunctionDef)


class _Reordered(ast.NodeTransformer):
    """Puts into another order whatever has none: definitions, methods, keyword-only parameters, alternatives."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        definitions = [one for one in node.body if isinstance(one, ast.ClassDef | ast.FunctionDef)]
        rest = [one for one in node.body if one not in definitions]
        self._random.shuffle(definitions)
        node.body = [*rest, *definitions]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        if not any(one.decorator_list for one in methods):
            rest = [one for one in node.body if one not in methods]
            self._random.shuffle(methods)
            node.body = [*rest, *methods]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return self._visit_function(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return self._visit_function(node)

    def _visit_function(self, node: FunctionT) -> FunctionT:
        """Overloads stay as they are: several signatures are compared as one text."""
        if not any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list):
            self.generic_visit(node)
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.arguments:
        pairs = list(zip(node.kwonlyargs, node.kw_defaults, strict=True))
        self._random.shuffle(pairs)
        node.kwonlyargs, node.kw_defaults = [one for one, _ in pairs], [one for _, one in pairs]
        self.generic_visit(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        self.generic_visit(node)
        if isinstance(node.op, ast.BitOr):
            node.left, node.right = node.right, node.left
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        is_prose = isinstance(node.value, str) and "\n" in node.value.strip()
        return ast.Constant("Other words.\n") if is_prose else node


def test_reordering_and_documentation_change_nothing(real: StubTree, cache: Path) -> None:
    pairs = []
    for seed in range(3):
        texts = {
            path: ast.unparse(_Reordered(seed).visit(ast.parse(text))) if text else text
            for path, text in real.files.items()
        }
        assert texts != real.files
        pairs += [(real, StubTree("reordered", texts)), (StubTree("reordered", texts), real)]
    assert [()] * 6 == [verdict.findings for verdict in compare_all(pairs, cache=cache)]


def test_a_planted_rename_of_a_keyword_of_make_worker_is_a_proved_break(real: StubTree, cache: Path) -> None:
    new = edited(
        real, "plugins/inference_backend_registry", "sdk_clients: SdkClientRegistry", "clients: SdkClientRegistry"
    )
    (finding,) = compare(real, new, cache=cache).findings
    assert ("parameter-renamed", True, True) == (finding.kind, finding.breaking, finding.confirmed)
    assert finding.witness is not None
    assert "sdk_clients: SdkClientRegistry" in finding.witness.source


def test_a_planted_required_hook_is_a_proved_break(real: StubTree, cache: Path) -> None:
    hook = "    @abstractmethod\n    async def _count(self, job: SearchJob) -> int: ...\n\n    @abstractmethod"
    new = edited(real, "cogt/search/search_worker_abstract", "    @abstractmethod", hook)
    (finding,) = compare(real, new, cache=cache).findings
    assert ("abstract-added", True) == (finding.kind, finding.confirmed)
    assert finding.witness is not None
    assert "abstract" in finding.witness.code


def test_a_moved_module_is_a_move_of_its_names_and_nothing_else(real: StubTree, cache: Path) -> None:
    old, new = "pipelex/cogt/llm/llm_job.pyi", "pipelex/cogt/llm/jobs.pyi"
    texts = {path: text.replace("cogt.llm.llm_job", "cogt.llm.jobs") for path, text in real.files.items()}
    texts[new] = texts.pop(old)
    verdict = compare(real, StubTree("moved", texts), cache=cache)
    names = read_shapes(real).modules["pipelex.cogt.llm.llm_job"].published or frozenset()
    assert len(names) > 4
    assert names == {finding.symbol.partition(":")[2] for finding in verdict.findings}
    assert {("symbol-moved", True)} == {(finding.kind, finding.confirmed) for finding in verdict.findings}


def test_a_member_more_of_an_open_enum_is_an_addition(
    real: StubTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``spi.toml`` says which enums are open: whoever matches on one expects more members."""
    new = edited(real, "plugins/inference_backend_registry", '    LLM = "llm"', '    LLM = "llm"\n    VIDEO = "video"')
    for path, text in new.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert 0 == main(["diff", str(api_version(Project(ROOT))), str(tmp_path)])
    assert "enum-member-added" in capsys.readouterr().out


def test_every_symbol_and_member_of_the_real_tree_has_a_direction(real: StubTree) -> None:
    tree = read_shapes(real)
    found = infer(tree)
    assert [] == [shape.key for shape in tree.classes() if not found.of(shape.key)]
    lost = [key for key, ways in found.members.items() if not all(path for path in ways.values())]
    assert [] == lost


@pytest.mark.parametrize(
    ("symbol", "direction"),
    [
        ("pipelex.plugins.contract:PipelexPlugin", Direction.IMPLEMENTS),
        ("pipelex.plugins.contract:PipelexPlugin.register", Direction.IMPLEMENTS),
        ("pipelex.plugins.registrar:PluginRegistrar", Direction.CALLS),
        ("pipelex.plugins.registrar:PluginRegistrar.add_inference_backend", Direction.CALLS),
        ("pipelex.plugins.inference_backend_registry:require_sdk", Direction.CALLS),
        ("pipelex.cogt.search.search_worker_abstract:SearchWorkerAbstract._search", Direction.IMPLEMENTS),
        ("pipelex.cogt.llm.llm_worker_abstract:LLMWorkerAbstract._gen_text", Direction.BOTH),
        ("pipelex.cogt.llm.llm_worker_abstract:LLMWorkerAbstract._stream", Direction.BOTH),
        ("pipelex.cogt.llm.llm_worker_abstract:LLMWorkerAbstract.gen_text", Direction.CALLS),
        ("pipelex.cogt.exceptions:InferenceError", Direction.BOTH),
    ],
)
def test_directions_are_inferred(real: StubTree, symbol: str, direction: Direction) -> None:
    assert direction == infer(read_shapes(real)).summary(symbol)[0]


def test_a_finding_is_the_same_with_and_without_witnesses(real: StubTree, cache: Path) -> None:
    new = edited(real, "plugins/inference_backend_registry", "extra: str", "package: str")

    def bare(findings: tuple[CompatFinding, ...]) -> list[tuple[str, bool]]:
        return [(finding.id, finding.breaking) for finding in findings]

    proved, bared = (compare(real, new, witnesses=asked, cache=cache).findings for asked in (True, False))
    assert bare(proved) == bare(bared)


def test_every_break_since_the_last_frozen_version_is_declared(capsys: pytest.CaptureFixture[str]) -> None:
    """What refuses an undeclared break: run ``python -m codegen diff`` to see it."""
    code = main(["diff", "--no-witness", "--accept-declared"])
    assert 0 == code, capsys.readouterr()
