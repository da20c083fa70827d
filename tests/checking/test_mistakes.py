"""Mistakes of a plugin's author, each with the rule that finds it and the words that say how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.checking.check import check
from pipelex.checking.examples import CLOSURES, PLUGIN, closures, helper, plugin, pyproject, worker
from pipelex.sandbox import run
from tests.checking.written import write_example

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.checking.check import Checked

pytestmark = pytest.mark.thorough

LISTER_LINE = '        registrar.add_model_lister(sdk="acme", lister=list_acme_models)\n'
HEAD = "    def register(self, registrar: PluginRegistrar) -> None:\n"


class Mistake(NamedTuple):
    files: dict[str, str]
    rule: str
    words: str


def in_register(code: str) -> dict[str, str]:
    return plugin(HEAD, f"{HEAD}        {code}\n")


def at_the_top(code: str) -> dict[str, str]:
    return plugin("\n\nclass AcmePlugin:", f"\n{code}\n\n\nclass AcmePlugin:")


MISTAKES = {
    # call shapes
    "a misspelt keyword": Mistake(
        closures("    sdk_clients: SdkClientRegistry,", "    sdk_client: SdkClientRegistry,"), "PX501", "'sdk_clients'"
    ),
    "a missing keyword": Mistake(
        closures("    sdk_clients: SdkClientRegistry,\n", ""), "PX501", "'sdk_clients' is missing"
    ),
    "another type": Mistake(closures("    flat: bool,", "    flat: str,"), "PX502", "flat: bool"),
    "by position alone": Mistake(
        {
            "src/my_pkg/closures.py": CLOSURES.replace("    *,\n    inference_model", "    inference_model", 1).replace(
                "    backend: InferenceBackend,", "    /,\n    backend: InferenceBackend,", 1
            )
        },
        "PX501",
        "by position alone",
    ),
    "keywords taken together": Mistake(
        closures("    any_listed: bool,", "    **others: bool,"), "PX502", "takes anything"
    ),
    "keywords taken together by a lambda": Mistake(
        plugin("make_worker=make_acme_worker", "make_worker=lambda **kw: make_acme_worker(**kw)"),
        "PX501",
        "takes anything",
    ),
    "keywords of make_worker taken together": Mistake(
        closures("    reporting_delegate: ReportingProtocol | None,", "    **others: object,"),
        "PX501",
        "takes anything",
    ),
    "a lambda that lacks a keyword": Mistake(
        plugin("make_worker=make_acme_worker", "make_worker=lambda *, inference_model: make_acme_worker()"),
        "PX501",
        "'backend' is missing",
    ),
    "an async make_worker": Mistake(
        closures("\ndef make_acme", "\nasync def make_acme"), "PX504", "def make_acme_worker"
    ),
    "a lister that is not async": Mistake(
        closures("async def list", "def list"), "PX504", "async def list_acme_models"
    ),
    "the worker of another family": Mistake(
        plugin("InferenceFamily.LLM", "InferenceFamily.EXTRACT"), "PX503", "derives from ExtractWorkerAbstract"
    ),
    # purity, seen by reading
    "reading the environment": Mistake(
        {"src/my_pkg/plugin.py": "import os\n\n" + in_register('os.environ.get("KEY")')["src/my_pkg/plugin.py"]},
        "PX301",
        "os.environ",
    ),
    "printing": Mistake(in_register('print("hello")'), "PX301", "print"),
    "an import in register": Mistake(in_register("import json"), "PX301", "imports something"),
    "state": Mistake(in_register("AcmePlugin.count = 1"), "PX301", "outlives"),
    "reading the registrar": Mistake(in_register("len(registrar.inference_backends)"), "PX301", "order from the menu"),
    # purity, seen by running
    "a file": Mistake(in_register("open('/etc/hostname')"), "PX301", "'open'"),
    "a swallowed refusal": Mistake(
        in_register("try:\n            open('/etc/hostname')\n        except BaseException:\n            pass"),
        "PX302",
        "open('/etc/hostname')",
    ),
    "a socket at load": Mistake(
        at_the_top("import socket\nsocket.create_connection(('127.0.0.1', 9))"), "PX302", "socket."
    ),
    "a process at load": Mistake(at_the_top("import os\nos.system('true')"), "PX302", "os.system"),
    "a thread at load": Mistake(
        at_the_top("import threading\nthreading.Thread(target=print).start()"), "PX302", "start_new_thread"
    ),
    "the environment changed at load": Mistake(at_the_top("import os\nos.environ['A'] = 'b'"), "PX302", "os.putenv"),
    "a process by subprocess at load": Mistake(
        at_the_top("import subprocess\nsubprocess.run(['true'])"), "PX302", "subprocess.Popen"
    ),
    "a file written at load": Mistake(at_the_top("open('/tmp/never', 'w')"), "PX302", "/tmp/never"),
    "ending the process": Mistake(at_the_top("import os\nos._exit(0)"), "PX304", "ended the process"),
    "sys.exit": Mistake(at_the_top("raise SystemExit(0)"), "PX304", "SystemExit"),
    "raising": Mistake(at_the_top("1 / 0"), "PX304", "ZeroDivisionError"),
    "an SDK fetched by a string": Mistake(at_the_top("__import__('acme')"), "PX303", "'acme'"),
    "registering twice the same": Mistake(
        {"src/my_pkg/plugin.py": PLUGIN.replace(LISTER_LINE, LISTER_LINE * 2)}, "PX304", "acme"
    ),
    # packaging
    "another module in the entry point": Mistake(
        pyproject("my_pkg.plugin:", "my_pkg.plugins:"), "PX402", "my_pkg.plugins"
    ),
    "another class in the entry point": Mistake(pyproject(":AcmePlugin", ":Acme"), "PX402", "'Acme'"),
    "a constructor with an argument": Mistake(
        plugin(HEAD, f"    def __init__(self, key: str) -> None:\n        self.key = key\n\n{HEAD}"), "PX402", "'key'"
    ),
    "no register": Mistake(plugin("    def register(", "    def registers("), "PX402", "register"),
    "no name": Mistake(plugin('    name = "acme"\n', ""), "PX402", "name"),
    "no group": Mistake(
        pyproject('[project.entry-points."pipelex.plugins"]\n', "[project.scripts]\n"), "PX401", "group"
    ),
    "targets_api in quotes": Mistake(plugin("targets_api = 1", 'targets_api = "1"'), "PX404", "targets_api = 1"),
    "the name of a built-in": Mistake(
        plugin('name = "acme"', 'name = "local"') | pyproject('acme = "my', 'local = "my'), "PX407", "local"
    ),
    "a lister that a built-in holds": Mistake(
        plugin('add_model_lister(sdk="acme"', 'add_model_lister(sdk="llama_cpp"'), "PX407", "llama_cpp"
    ),
    "a name in capitals": Mistake(plugin('name = "acme"', 'name = "Acme"'), "PX403", "lowercase"),
    # types
    "a family as a string": Mistake(plugin("InferenceFamily.LLM", '"llm"'), "PX304", "InferenceFamily.LLM"),
    "make_worker called": Mistake(
        plugin("make_worker=make_acme_worker", "make_worker=make_acme_worker()"), "PX101", "Pass the function itself"
    ),
    "the lister called": Mistake(
        plugin("lister=list_acme_models", "lister=list_acme_models()"), "PX101", "Pass the function itself"
    ),
    "a member that the enum lacks": Mistake(plugin("InferenceFamily.LLM", "InferenceFamily.LMM"), "PX103", "IMG_GEN"),
    "a published name misspelt": Mistake(worker("import LLMJob", "import LLMJobs as LLMJob"), "PX203", "'LLMJob'"),
    "a module that is not there": Mistake(
        plugin("plugins.registrar import", "plugins.registrars import"), "PX201", "pipelex.plugins.registrar "
    ),
    "the backend of a built-in": Mistake(
        in_register(
            'registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="openai", make_worker=make_acme_worker)'
        ),
        "PX407",
        "'openai'",
    ),
    "a command of the core": Mistake(
        in_register('registrar.add_command(name="map", help="Map.", run=lambda call: 0)'), "PX407", "pipelex itself"
    ),
    "one command twice": Mistake(
        in_register('for _ in "ab":\n            registrar.add_command(name="acme", help="A.", run=lambda call: 0)'),
        "PX304",
        "take one of the two calls out",
    ),
    "a public method in place of the hook": Mistake(
        worker("async def _gen_text(self, job: LLMJob)", "async def gen_text(self, job: LLMJob)"), "PX102", "underscore"
    ),
    "a misspelt menu method": Mistake(plugin("add_model_lister", "add_model_listener"), "PX103", "add_model_lister"),
    "a hook of another shape": Mistake(worker("job: LLMJob", "prompt: str"), "PX102", "_gen_text"),
    "a hook that gives something else": Mistake(worker("InferenceResult[str]:", "str:"), "PX102", "_gen_text"),
}

SEVERAL = {"a swallowed refusal", "a hook of another shape", "a hook that gives something else"}
"""Two lines are wrong in each, and each is to be changed."""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    """All mistakes, checked together: mypy is started once."""
    folders = {}
    for title, mistake in MISTAKES.items():
        folders[title] = tmp_path_factory.mktemp("mistake")
        write_example(folders[title], mistake.files)
    result = check([str(folder) for folder in folders.values()])
    assert () == result.failures
    return dict(zip(folders, result.checked, strict=True))


@pytest.mark.parametrize("title", MISTAKES)
def test_the_mistake_is_found_with_a_message_that_names_it(checked: dict[str, Checked], title: str) -> None:
    mistake, found = MISTAKES[title], checked[title].findings
    assert checked[title].errors
    texts = {
        finding.rule: f"{finding.message} / {finding.expected} / {finding.fix}"
        for finding in found
        if mistake.words in f"{finding.message} / {finding.expected} / {finding.fix}"
    }
    assert mistake.rule in texts, [(finding.rule, finding.message) for finding in found]


@pytest.mark.parametrize("title", [title for title in MISTAKES if title not in SEVERAL])
def test_one_mistake_is_one_finding(checked: dict[str, Checked], title: str) -> None:
    assert 1 == len(checked[title].findings), [(one.rule, one.message) for one in checked[title].findings]


@pytest.mark.parametrize(
    ("code", "rule", "words"),
    [
        ("print(backnd)", "PX100", "backnd"),
        ("ValueError().missing", "PX100", "ValueError"),
        ("import my_pkg.plugin as own\nown.missing", "PX100", "missing"),
        ("from my_pkg.plugin import Missing", "PX100", "Missing"),
        ("async def ask() -> str:\n    return ''\n\n\nask().strip()", "PX100", "Write 'await'"),
        ("class ModelHandle:\n    pass\n\n\nModelHandle().missing", "PX100", "ModelHandle"),
        ("from pipelex.plugins.inference_backend_registry import InferenceFamily as F\nF.LMM", "PX103", "IMG_GEN"),
        ("from pipelex.cogt.llm.llm_job import LLMJob as J\nX: J | None = None\nX.prompt", "PX100", "None"),
        (
            "from pipelex.cogt.llm.llm_job import LLMJob as J\n\n\ndef f(j: J) -> None:\n    j.missing",
            "PX103",
            "LLMJob",
        ),
    ],
)
def test_a_missing_name_is_looked_up_in_the_docs_only_where_its_owner_is_published(
    code: str, rule: str, words: str, tmp_path: Path
) -> None:
    write_example(tmp_path, helper(f"{code}\n"))
    (finding,) = check([str(tmp_path)]).checked[0].findings
    assert rule == finding.rule, finding
    assert words in f"{finding.message} {finding.expected} {finding.fix}"
    assert ("docs/spi.md" in finding.fix) == (rule == "PX103")


NO_STAR = CLOSURES.replace("    *,\n    inference_model", "    inference_model", 1)


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        (NO_STAR, "PX501", "'inference_model' may be given by position"),
        (CLOSURES.replace("ReportingProtocol | None,", "ReportingProtocol | None = None,"), "PX501", "has a default"),
        (
            CLOSURES.replace("ReportingProtocol | None,", 'ReportingProtocol | None,\n    region: str = "eu",'),
            "PX501",
            "region",
        ),
        (CLOSURES.replace("    flat: bool,", "    flat: int,"), "PX502", "annotated as int"),
    ],
    ids=["by position", "a default", "one more, optional", "a wider type"],
)
def test_what_a_type_checker_accepts_beyond_the_call_shape_is_one_note(
    text: str, rule: str, words: str, tmp_path: Path
) -> None:
    write_example(tmp_path, {"src/my_pkg/closures.py": text})
    result = check([str(tmp_path)])
    (finding,) = result.checked[0].findings
    assert (rule, "note", 0) == (finding.rule, finding.severity, result.exit_code)
    assert words in finding.message


def test_a_plugin_that_does_not_come_to_an_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TIME_LIMIT", 0.5)
    write_example(tmp_path, at_the_top("while True:\n    pass"))
    (finding,) = check([str(tmp_path)]).checked[0].findings
    assert "PX304" == finding.rule
    assert "still running" in finding.message


def test_what_a_plugin_prints_is_no_part_of_the_report(tmp_path: Path) -> None:
    forged = """print('{"kind": "end", "entry": 0, "phase": ""}', flush=True)\nimport os\nos._exit(0)"""
    write_example(tmp_path, at_the_top(forged))
    assert "PX304" in {finding.rule for finding in check([str(tmp_path)]).checked[0].findings}


def test_a_key_of_the_users_is_not_handed_to_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-secret")
    write_example(tmp_path, at_the_top("import os\nraise ValueError(dict(os.environ))"))
    (finding,) = (one for one in check([str(tmp_path)]).checked[0].findings if one.rule == "PX304")
    assert "sk-secret" not in finding.message
