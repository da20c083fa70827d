"""Changes that contracts of this kind go through, made to the real one: verdict and printed entries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli

from codegen.changes import declares, entry_for
from codegen.compat.compare import compare_all
from codegen.compat.reading.trees import STUBS, StubTree, api_version, read_tree
from codegen.project import Project
from codegen.spec import Change

if TYPE_CHECKING:
    from codegen.compat.model import Verdict

ROOT = Path(__file__).parents[3]
_REGISTRY = "plugins/inference_backend_registry"
_LISTERS = "plugins/model_lister_registry"
_OPTIONS = (
    "    flat: bool,\n        any_listed: bool,\n    ",
    "    options: ListingOptions,\n    ",
)
_LISTING = (
    "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass {0}:\n    {1}\n\nclass ListModelsFn(Protocol):"
)
Edits = tuple[tuple[str, str, str], ...]

CHANGES: dict[str, tuple[Edits, set[str]]] = {
    "a contribution more": (
        (
            (
                "plugins/registrar",
                "    def add_command(",
                "    def add_health_check(self, *, sdk: str) -> None: ...\n    def add_command(",
            ),
        ),
        {"fine method-added PluginRegistrar.add_health_check"},
    ),
    "another entry-point group": ((), {"BREAK entry-point-group-changed PipelexPlugin"}),
    "a keyword more of a call shape": (
        (
            (
                _REGISTRY,
                "reporting_delegate: ReportingProtocol | None,\n",
                "reporting_delegate: ReportingProtocol | None,\n        timeout_s: float | None,\n",
            ),
        ),
        {"BREAK parameter-added MakeWorkerFn.__call__"},
    ),
    "a result that may be missing": (
        (("plugins/model_handle", "-> ModelHandle:", "-> ModelHandle | None:"),),
        {"BREAK return-retyped ModelHandle.make_for_inference_model"},
    ),
    "keywords put into a record": (
        (
            (_LISTERS, *_OPTIONS),
            (_LISTERS, "class ListModelsFn(Protocol):", _LISTING.format("ListingOptions", "flat: bool")),
        ),
        {
            "BREAK parameter-added ListModelsFn.__call__",
            "BREAK parameter-removed ListModelsFn.__call__",
            "fine symbol-added ListingOptions",
        },
    ),
    "a keyword of a new type, and another renamed": (
        (
            (_REGISTRY, "        backend: InferenceBackend,", "        configured: InferenceBackend,"),
            (
                _REGISTRY,
                "reporting_delegate: ReportingProtocol | None,\n",
                "reporting_delegate: ReportingProtocol | None,\n        limits: CallLimits,\n",
            ),
            (
                _REGISTRY,
                "class MakeWorkerFn(Protocol):",
                "class CallLimits:\n    timeout_s: float\n\nclass MakeWorkerFn(Protocol):",
            ),
        ),
        {
            "BREAK parameter-added MakeWorkerFn.__call__",
            "BREAK parameter-renamed MakeWorkerFn.__call__",
            "fine symbol-added CallLimits",
        },
    ),
    "a result put into a record": (
        (
            (_LISTERS, "-> Sequence[ListedModel] | None:", "-> Listing | None:"),
            (
                _LISTERS,
                "class ListModelsFn(Protocol):",
                _LISTING.format("Listing", "rows: Sequence[ListedModel]"),
            ),
        ),
        {"BREAK return-retyped ListModelsFn.__call__", "fine symbol-added Listing"},
    ),
    "a record no longer frozen": (
        (
            (
                "cogt/llm/llm_job",
                "@dataclass(frozen=True, kw_only=True)\nclass LLMPrompt:",
                "@dataclass(kw_only=True)\nclass LLMPrompt:",
            ),
        ),
        {"BREAK record-unfrozen LLMPrompt", "BREAK hash-removed LLMPrompt"},
    ),
    "elements of a list that may be missing": (
        (
            (
                "cogt/img_gen/img_gen_worker_abstract",
                "count: int | None = None) -> list[GeneratedImage]",
                "count: int | None = None) -> list[GeneratedImage | None]",
            ),
        ),
        {"BREAK return-retyped ImgGenWorkerAbstract.gen_image_list"},
    ),
    "values of a dictionary narrowed": (
        (
            (
                "cogt/llm/answer_schemas",
                "of(cls, json_schema: dict[str, object])",
                "of(cls, json_schema: dict[str, str])",
            ),
        ),
        {"BREAK parameter-retyped RootObject.of"},
    ),
    "values of a dictionary that is returned made anything": (
        (("exceptions", "def to_dict(self) -> dict[str, object]", "def to_dict(self) -> dict[str, str]"),),
        {"BREAK return-retyped PipelexError.to_dict"},
    ),
    "another default": (
        (
            (
                "cogt/inference/inference_result",
                "finish_reason: FinishReason = FinishReason.STOP",
                "finish_reason: FinishReason = FinishReason.UNFINISHED",
            ),
        ),
        {"BREAK field-default-changed InferenceResult.finish_reason"},
    ),
    "a record made generic": (
        (
            (
                "cogt/search/search_job",
                "@dataclass(frozen=True, kw_only=True)\nclass SearchAnswer:",
                "import typing as t\nT = t.TypeVar('T')\n@dataclass(kw_only=True)\nclass SearchAnswer(t.Generic[T]):",
            ),
        ),
        {
            "BREAK type-parameters-changed SearchAnswer",
            "BREAK record-unfrozen SearchAnswer",
            "BREAK hash-removed SearchAnswer",
        },
    ),
}


@pytest.fixture(scope="module")
def verdicts(cache: Path) -> dict[str, Verdict]:
    """The verdict on each change."""
    old = read_tree(ROOT / STUBS / f"v{api_version(Project(ROOT))}", "old")
    pairs = []
    for name, (edits, _) in CHANGES.items():
        files = dict(old.files)
        for module, before, after in edits:
            path = f"pipelex/{module}.pyi"
            assert before in files[path], name
            files[path] = files[path].replace(before, after, 1)
        facts = old.facts if edits else {**old.facts, "entry_point_group": frozenset({"pipelex.inference"})}
        pairs.append((old, replace(StubTree("new", files), facts=facts)))
    return dict(zip(CHANGES, compare_all(pairs, witnesses=False, cache=cache), strict=True))


@pytest.mark.heavy
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_real_contract_gets_its_findings(name: str, verdicts: dict[str, Verdict]) -> None:
    found = {
        f"{'BREAK' if one.breaking else 'fine'} {one.kind} {one.symbol.partition(':')[2]}"
        for one in verdicts[name].findings
    }
    assert CHANGES[name][1] == found


@pytest.mark.heavy
@pytest.mark.parametrize("name", CHANGES)
def test_the_entries_that_are_printed_declare_the_breaks(name: str, verdicts: dict[str, Verdict]) -> None:
    for finding in verdicts[name].breaks:
        (values,) = tomli.loads("\n".join(entry_for(finding)))["next"]["change"]
        assert declares(Change.model_validate(values), finding)
