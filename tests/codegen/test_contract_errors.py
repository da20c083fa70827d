"""What the SPI modules may not say: each refusal names the file, the line, the signature and the fault."""

from __future__ import annotations

import pytest

from tests.codegen.conftest import SmallProject

JOB = "src/pipelex/cogt/llm/job.py"
WORKER = "src/pipelex/cogt/llm/worker.py"
FAMILIES = "src/pipelex/plugins/inference_backend_registry.py"

CASES = {
    "unpublished type of the module": (
        JOB,
        "    path: Path | None = None",
        "    path: Colour | None = None",
        "path: Colour",
        "pipelex.cogt.llm.job:Job.path: mentions 'Colour' of 'pipelex.cogt.llm.job', which is not published",
    ),
    "unpublished type in quotes": (
        JOB,
        "    path: Path | None = None",
        '    path: "Colour | None" = None',
        "path: ",
        "pipelex.cogt.llm.job:Job.path: mentions 'Colour' of 'pipelex.cogt.llm.job', which is not published",
    ),
    "unpublished type of another module": (
        JOB,
        "from pipelex.plugins.inference_backend_registry import InferenceFamily",
        "from pipelex.plugins.inference_backend_registry import Registry as InferenceFamily",
        "def of",
        "mentions 'Registry' of 'pipelex.plugins.inference_backend_registry', which is not published",
    ),
    "outside the vocabulary": (
        JOB,
        "from pathlib import Path",
        "from asyncio import Queue as Path",
        "path: Path",
        "pipelex.cogt.llm.job:Job.path: mentions 'Queue' of 'asyncio'; expected published names, or those of typing",
    ),
    "a module, not a name": (
        JOB,
        "    limit: int = -1",
        "    limit: os.PathLike[str]",
        "limit: os",
        "pipelex.cogt.llm.job:Job.limit: mentions the module 'os'; expected 'from os import ...'",
    ),
    "an unknown name": (JOB, "-> ItemT:", "-> Itemm:", "-> Itemm", "mentions 'Itemm', which"),
    "a loose callable": (
        JOB,
        "key: Callable[[ItemT], bool]",
        "key: Callable[..., bool]",
        "Callable[...",
        "pipelex.cogt.llm.job:pick: Callable[..., X] checks no argument",
    ),
    "no parameter type": (JOB, "key: Callable[[ItemT], bool]", "key", "def pick", "parameter 'key' has no type"),
    "no return type": (
        WORKER,
        "async def gen_text(self, job: Job) -> str:",
        "async def gen_text(self, job: Job):",
        "def gen_text",
        "LLMWorkerAbstract.gen_text: no return type; expected an annotation",
    ),
    "a hiding decorator": (
        JOB,
        "    @property\n",
        "    @cached\n",
        "def size",
        "the decorator 'cached' hides its type",
    ),
    "an attribute without a type": (
        WORKER,
        "self.calls: int = 0",
        "self.calls = 0",
        "self.calls",
        "WorkerAbstract.calls: set without a type; expected 'self.x: T = ...'",
    ),
    "a constant without a type": (
        WORKER,
        "retries: int = 2",
        "retries = max(1, 2)",
        "retries = max",
        "WorkerAbstract.retries: its type cannot be read from its value",
    ),
    "an export too many": (
        JOB,
        '"pick"]',
        '"pick", "Colour"]',
        "__all__",
        "pipelex.cogt.llm.job: __all__ differs from spi.toml: Colour is in it and not published",
    ),
    "an export too few": (JOB, '["Job", "pick"]', '["Job"]', "__all__", "pick is published and not in it"),
    "no exports": (
        FAMILIES,
        '__all__ = ["InferenceFamily", "MakeWorkerFn"]',
        "",
        '"""The families."""',
        "no __all__; expected",
    ),
    "no enum of the families": (
        FAMILIES,
        "class InferenceFamily(",
        "class Families(",
        "",
        "InferenceFamily: not found; expected a class 'InferenceFamily' with a docstring",
    ),
    "a keyword that the built-ins read": (
        FAMILIES,
        "sdk_clients: Job",
        "clients: Job",
        "class MakeWorkerFn",
        "MakeWorkerFn: has no keyword 'sdk_clients'; expected it: codegen/templates/builtins.py.j2",
    ),
    "a default that is no literal": (
        FAMILIES,
        "trial: bool = False",
        "trial: bool = bool(0)",
        "class MakeWorkerFn",
        "MakeWorkerFn: the default of 'trial' is no literal; expected one, or None",
    ),
    "no call shape": (
        "spi.toml",
        '"pipelex.plugins.model_lister_registry:ListModelsFn" = { since = "1.0", role = "lists models" }\n',
        "",
        "[symbols]",
        "no such stub; expected the call shape 'pipelex.plugins.model_lister_registry:ListModelsFn'",
    ),
    "a family whose worker is no worker base": (
        "spi.toml",
        'worker = "pipelex.cogt.llm.worker:LLMWorkerAbstract"',
        'worker = "pipelex.cogt.llm.job:Job"',
        "llm.job:Job",
        "family[0].worker: 'pipelex.cogt.llm.job:Job' is no worker base; expected a published class that derives from",
    ),
    "an open function": (
        "spi.toml",
        '"pipelex.cogt.llm.job:pick" = { since = "3.1"',
        '"pipelex.cogt.llm.job:pick" = { open = true, since = "3.1"',
        "open = true",
        'symbols."pipelex.cogt.llm.job:pick".open: only an enum can be open',
    ),
    "a conditional method": (
        JOB,
        "    @property\n    def size",
        "    if os.sep:\n        def more(self) -> int: ...\n\n    @property\n    def size",
        "if os.sep",
        "pipelex.cogt.llm.job:Job: a member that is there on a condition: no stub shows it",
    ),
    "a required private field": (
        JOB,
        "    _cache: int = 0",
        "    _cache: int",
        "_cache",
        "pipelex.cogt.llm.job:Job: the constructor takes '_cache', which no stub shows",
    ),
    "a special method that is assigned": (
        JOB,
        "    @property\n    def size",
        "    __len__ = list.__len__\n\n    @property\n    def size",
        "__len__",
        "pipelex.cogt.llm.job:Job: no stub shows what is assigned to '__len__'; define it as a method",
    ),
    "an abstract method that is private": (
        JOB,
        "    @property\n    def size",
        "    @abstractmethod\n    def _run(self) -> None: ...\n\n    @property\n    def size",
        "def _run",
        "pipelex.cogt.llm.job:Job: plugins must have '_run', which no stub shows; give it a public name",
    ),
    "a class with type parameters": (
        JOB,
        "class Job:",
        "class Job[X]:",
        "class Job",
        "pipelex.cogt.llm.job:Job: type parameters in brackets need Python 3.12",
    ),
    "a function with type parameters": (
        JOB,
        "def pick(",
        "def pick[X](",
        "def pick",
        "pipelex.cogt.llm.job:pick: type parameters in brackets need Python 3.12",
    ),
    "a type statement": (
        JOB,
        "def pick(",
        "type pick = int\n\n\ndef _pick(",
        "type pick",
        "pipelex.cogt.llm.job:pick: 'type' statements need Python 3.12",
    ),
    "a default that no stub shows beside options": (
        JOB,
        "extras: Mapping[str, int] = field(default_factory=dict)",
        "extras: Mapping[str, int] = field(default_factory=Hidden, compare=False)",
        "extras: Mapping",
        "pipelex.cogt.llm.job:Job.extras: no stub shows its default beside compare; expected a literal, or one of dict",
    ),
    "a class in a class": (
        JOB,
        "    @property\n    def size",
        "    class Inner:\n        depth: int\n\n    @property\n    def size",
        "class Inner",
        "pipelex.cogt.llm.job:Job: no stub shows the class 'Inner' in it",
    ),
    "broken Python": (JOB, "def pick(", "def pick((", "def pick((", "not valid Python"),
    "a broken provider": ("src/pipelex/providers/plain/llm.py", "class", "klass", "klass", "not valid Python"),
    "no version literal": (
        "src/pipelex/plugins/contract.py",
        "Final = 2",
        "Final = int(2)",
        "",
        "PLUGIN_API_VERSION: not found; expected",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_names_file_line_and_signature(
    small: SmallProject, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    path, old, new, mark, told = CASES[case]
    small.edit(path, old, new)
    before = small.snapshot()
    assert small.run() == 2
    errors = capsys.readouterr().err.splitlines()
    found = [error for error in errors if told in error]
    assert found, errors
    place = f"{path}:{small.line_of(path, mark)}: " if mark else f"{path}: "
    assert found[0].startswith(place), found[0]
    assert before == small.snapshot()


def test_a_private_member_of_a_protocol_is_refused(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    small.edit(JOB, "import TYPE_CHECKING, ", "import TYPE_CHECKING, Protocol, ")
    small.edit(JOB, "class Job:", "class Job(Protocol):\n    _ready: bool\n")
    assert small.run() == 2
    assert "Job: plugins must have '_ready', which no stub shows; give it a public name" in capsys.readouterr().err


def test_what_no_published_signature_mentions_is_free(small: SmallProject) -> None:
    """Private methods, private attributes, function bodies and docstrings may name what they like."""
    small.edit(JOB, "_cache: int = 0", "_cache: Colour | None = None")
    small.edit(JOB, "def _private(self) -> None:", "def _private(self, hidden: Hidden[int]) -> None:")
    assert small.run() == 0


def test_a_hook_of_a_worker_base_is_published(small: SmallProject) -> None:
    """Its signature is held to the same rule as a public one."""
    small.edit(WORKER, "async def _gen_text(self, job: Job) -> str:", "async def _gen_text(self, job: Jobb) -> str:")
    assert small.run() == 2


def test_an_error_without_a_docstring_has_no_page(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    small.edit("src/pipelex/cogt/exceptions.py", '    """The root of the errors of calls."""', "    pass")
    assert small.run() == 2
    assert "pipelex.cogt.exceptions:CogtError: no docstring; expected one" in capsys.readouterr().err
