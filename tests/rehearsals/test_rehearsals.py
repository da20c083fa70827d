"""Real changes of the contract, from the edit to plugins that fit again, on a copy of the project.

What a maintainer does by hand is done by ``edit``; all else are the commands of the project.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from codegen.spec import parse_spec
from tests.rehearsals import embed
from tests.rehearsals.conftest import ROOT, Copy

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.rehearsal

REGISTRY = "src/pipelex/plugins/inference_backend_registry.py"
RESULT = "src/pipelex/cogt/inference/inference_result.py"
WHERE_VALUES_COME_FROM = ("src/pipelex/hub.py", "src/pipelex/testing/calls.py")
LLM = "src/pipelex/cogt/llm/llm_worker_abstract.py"
MODEL_SPEC = "src/pipelex/cogt/model_backends/model_spec.py"
VERSION = parse_spec((ROOT / "spi.toml").read_text(encoding="utf-8")).spec.api_version


def finding(project: Copy, kind: str) -> dict[str, Any]:
    """Return the one finding of a kind."""
    [found] = [item for item in project.findings() if item["kind"] == kind]
    return found


def bump_and_follow(project: Copy, entry: dict[str, str]) -> None:
    """Bump with an entry, upgrade all plugins, and check everything; without the entry it is refused."""
    refused = project.codegen("bump", expected=1)
    assert "a break without an entry" in refused
    project.declare(**entry)
    project.codegen("diff", "--accept-declared", "--no-witness")
    assert f"to {VERSION + 1}.0 (breaking)" in project.codegen("bump")
    project.codegen("--check", "--full")
    plugins = project.plugins
    said = project.pipelex("plugins", "upgrade", "--write", *plugins)
    assert len(plugins) == said.count("proved: mypy was clean") + said.count("nothing to do")
    all_is_green(project, plugins)


def all_is_green(project: Copy, plugins: list[str]) -> None:
    """The example, the other plugins and the built-ins pass the author's check; a second upgrade changes nothing."""
    checked = project.pipelex("plugins", "check", *plugins, "builtin:local", "builtin:pypdfium2")
    assert f"against plugin API {parse_spec((project.root / 'spi.toml').read_text()).spec.api_version}" in checked
    before = {path: path.read_bytes() for path in project.root.rglob("*.py")}
    again = project.pipelex("plugins", "upgrade", "--write", *plugins)
    assert len(plugins) == again.count("nothing to do")
    assert before == {path: path.read_bytes() for path in project.root.rglob("*.py")}
    assert '"broken"' not in project.pipelex("plugins", "list", "--json")


def type_errors(project: Copy, *paths: str) -> set[str]:
    """Return the files in which mypy finds an error, of the generated code and of what calls a plugin."""
    command = [sys.executable, "-m", "mypy", "--strict", *WHERE_VALUES_COME_FROM, *paths]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return set(re.findall(r"^(\S+?):\d+: error", done.stdout, re.MULTILINE))


def pass_backend_as(project: Copy, keyword: str) -> None:
    """Rename the keyword by which a plugin is passed the record of its backend."""
    before = ("inference_model=spec,\n                ", "inference_model=model,\n        ")
    for path, line in zip(WHERE_VALUES_COME_FROM, before, strict=True):
        project.edit(path, (f"{line}backend=backend,", f"{line}{keyword}=backend,"))


@pytest.mark.parametrize("default", [" = False", ""])
def test_a_keyword_of_make_worker_is_added(project: Copy, default: str) -> None:
    """By an edit of the protocol alone; a keyword without a default is passed where the other values come from."""
    last = "        reporting_delegate: ReportingProtocol | None,\n"
    project.edit(REGISTRY, (last, f"{last}        trial: bool{default},\n"))
    project.codegen()
    generated = ("src/pipelex/generated", "src/pipelex/worker_factories.py", "src/pipelex/checking/examples.py")
    assert (set() if default else set(WHERE_VALUES_COME_FROM)) == type_errors(project, *generated)
    for path in () if default else WHERE_VALUES_COME_FROM:
        found = re.search(r"^( +)reporting_delegate=.*,\n", (project.root / path).read_text(), re.MULTILINE)
        assert found is not None
        project.edit(path, (found[0], f"{found[0]}{found[1]}trial=False,\n"))
    assert set() == type_errors(project, *generated)
    bump_and_follow(
        project,
        {
            "kind": "parameter-added",
            "symbol": "pipelex.plugins.inference_backend_registry:MakeWorkerFn",
            "to": f"trial: bool{default}",
            "why": "a trial run is charged to nobody",
            "migration": "trial=False",
        },
    )
    project.pipelex("plugins", "new", "fresh", "--family", "llm", "--dir", str(project.root))
    all_is_green(project, ["pipelex-fresh"])


def test_a_keyword_of_make_worker_is_renamed(project: Copy) -> None:
    renamed = ("backend: InferenceBackend,", "backend_config: InferenceBackend,")
    project.edit(REGISTRY, renamed, ("            backend: The", "            backend_config: The"))
    assert "MakeWorkerFn: has no keyword 'backend'" in project.codegen(expected=2)
    project.edit("codegen/call_shapes.py", ('frozenset({"backend", "sdk', 'frozenset({"backend_config", "sdk'))
    project.edit("codegen/templates/builtins.py.j2", ("backend=backend),", "backend=backend_config),"))
    pass_backend_as(project, "backend_config")
    project.codegen()
    seen = finding(project, "parameter-renamed")
    assert ("both", True) == (seen["direction"], seen["breaking"])
    assert "backend" in seen["witness"]["source"]
    bump_and_follow(
        project,
        {
            "kind": "parameter-renamed",
            "symbol": "pipelex.plugins.inference_backend_registry:MakeWorkerFn",
            "from": "backend",
            "to": "backend_config",
            "why": "it is the record of the configuration, not the backend itself",
        },
    )
    for path, name in (
        ("single/single_plugin.py", "assert backend_config.name"),
        ("table/table_pkg/plugin.py", "and backend_config.name"),
        ("source/src/source_pkg/plugin.py", "del backend_config"),
    ):
        assert name in (project.root / "plugins" / path).read_text(encoding="utf-8")
    import_error = project.pipelex("plugins", "upgrade", "--from=1", "--to=1", "plugins/single", expected=0)
    assert "nothing to do" in import_error


HOOK = '''\
    @abstractmethod
    def _count_words(self, job: LLMJob) -> int:
        """Count the words of a job.

        Args:
            job: The job.
        """

    async def _gen_text('''
OWN_HOOK = """\
    def _count_words(self, job: LLMJob) -> int:
        return len(str(job.prompt.user_text).split())

    def _classify_error("""


def _is_an_llm_driver(path: Path) -> bool:
    return "LLMWorkerAbstract):" in path.read_text(encoding="utf-8")


def test_a_required_hook_is_added_to_the_llm_base(project: Copy) -> None:
    imports = "from abc import abstractmethod\nfrom collections.abc import Sequence"
    project.edit(LLM, ("    async def _gen_text(", HOOK), ("from collections.abc import Sequence", imports))
    drivers = [path for path in (project.root / "src/pipelex/providers").glob("*/*.py") if _is_an_llm_driver(path)]
    assert len(drivers) > 1
    for path in drivers:
        project.edit(path.relative_to(project.root).as_posix(), ("    def _classify_error(", OWN_HOOK))
    project.codegen()
    seen = finding(project, "abstract-added")
    assert seen["breaking"]
    assert "LLMWorkerAbstract" in seen["witness"]["source"]
    bump_and_follow(
        project,
        {
            "kind": "abstract-added",
            "symbol": "pipelex.cogt.llm.llm_worker_abstract:LLMWorkerAbstract._count_words",
            "why": "a job that is too long is refused before it is paid for",
            "migration": "def _count_words(self, job: LLMJob) -> int:\n    return len(str(job.prompt)) // 4\n",
        },
    )
    workers = (project.root / "plugins/table/table_pkg/workers.py").read_text(encoding="utf-8")
    assert 1 == workers.count("def _count_words")


def test_a_symbol_moves(project: Copy) -> None:
    """``FinishReason`` gets a module of its own."""
    text = (project.root / RESULT).read_text(encoding="utf-8")
    start, end = text.index("class FinishReason"), text.index("@dataclass")
    head = '"""Why a model stops."""\n\nfrom enum import StrEnum\n\n__all__ = ["FinishReason"]\n\n\n'
    project.write("src/pipelex/cogt/inference/finish_reason.py", head + text[start:end].rstrip() + "\n")
    project.edit(
        RESULT,
        (text[start:end], ""),
        ("from enum import StrEnum\n", ""),
        ('["FinishReason", ', "["),
        ("from typing import", "from pipelex.cogt.inference.finish_reason import FinishReason\nfrom typing import"),
    )
    project.edit(
        "spi.toml",
        ("pipelex.cogt.inference.inference_result:FinishReason", "pipelex.cogt.inference.finish_reason:FinishReason"),
    )
    for path in sorted((project.root / "src/pipelex").rglob("*.py")):
        _follow_move(path)
    project.codegen()
    seen = finding(project, "symbol-moved")
    assert seen["breaking"]
    assert "import FinishReason" in seen["witness"]["source"]
    bump_and_follow(
        project,
        {
            "kind": "symbol-moved",
            "symbol": "pipelex.cogt.inference.inference_result:FinishReason",
            "to": "pipelex.cogt.inference.finish_reason:FinishReason",
            "why": "reports need it without the result",
        },
    )


def _follow_move(path: Any) -> None:
    """Move the imports of our own modules, as a maintainer does."""
    import re

    text = path.read_text(encoding="utf-8")
    found = re.search(r"^( *)from pipelex\.cogt\.inference\.inference_result import ([^(\n]*)$", text, re.MULTILINE)
    if found is None or "FinishReason" not in found[2]:
        return
    others = [name for name in found[2].split(", ") if name != "FinishReason"]
    lines = [f"{found[1]}from pipelex.cogt.inference.finish_reason import FinishReason"]
    lines += [f"{found[1]}from pipelex.cogt.inference.inference_result import {', '.join(others)}"] if others else []
    path.write_text(text.replace(found[0], "\n".join(lines)), encoding="utf-8")


def test_an_enum_gains_a_member(project: Copy) -> None:
    """A closed one: whoever matches all its members breaks, and nobody else has to do anything."""
    member = '    TOOL_CALL = "tool_call"\n    """It asks for a tool to be called."""\n    OTHER = "other"'
    project.edit(RESULT, ('    OTHER = "other"', member))
    project.codegen()
    seen = finding(project, "enum-member-added")
    assert seen["breaking"]
    assert "assert_never" in seen["witness"]["source"]
    bump_and_follow(
        project,
        {
            "kind": "enum-member-added",
            "symbol": "pipelex.cogt.inference.inference_result:FinishReason.TOOL_CALL",
            "why": "models call tools",
        },
    )


PYTEST = ("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider")


def test_a_family_is_added_as_a_revision(project: Copy) -> None:
    """A fifth one, EMBED, from its row up to a call that answers: a gate names each step, and no plugin notices."""
    project.edit("spi.toml", ("\n# --- Symbols:", embed.ROW))
    said = project.codegen(expected=2)
    assert "11 problems; nothing was written." in said
    for path, text in embed.TYPES.items():
        project.write(path, text)
    project.edit("spi.toml", ("# errors that", embed.SYMBOLS), ("# --- Versions:", embed.BUILTIN))
    said = project.codegen(expected=2)
    assert "no module 'pipelex.providers.hashing.embed' under src/" in said
    for path, text in embed.SOURCES.items():
        project.write(path, text)
    said = project.codegen(expected=2)
    assert "5 problems; all other files are written." in said
    assert sum(path in said for path in embed.TEMPLATES) == len(embed.TEMPLATES)
    for path, text in embed.TEMPLATES.items():
        project.write(path, text)
    project.codegen()
    project.edit("src/pipelex/config/defaults/pipelex.toml", ("\n[backends.openai]\n", embed.BACKEND))

    said = project.run(*PYTEST, "tests/architecture/test_families.py", expected=1)
    folders = ("cogt/**/*.py", "testing/**/*.py", "typing/*.py")
    files = (*embed.PAGES, "tests/cli/test_embed.py", *(f"tests/{folder}" for folder in folders))
    assert [] == [file for file in files if f"{file}: missing " not in said]
    for path, (mark, line) in embed.PAGES.items():
        project.edit(path, (mark, f"{line}{mark}"))
    for path, text in embed.TESTS.items():
        project.write(path, text)
    path, call, line = embed.TYPED_CALL
    project.edit(path, (call, f"{call}{line}"))
    tests = [*embed.TESTS, "tests/architecture/test_families.py", "tests/architecture/test_layers.py"]
    project.run(*PYTEST, *tests)
    written = [path for path in (*embed.TYPES, *embed.SOURCES) if path.endswith(".py")]
    assert len(written) + len(("spi.toml", "pipelex.toml")) <= 9
    assert set() == type_errors(project, *written, "src/pipelex/generated", embed.TYPED_CALL[0])
    project.pipelex("plugins", "new", "fresh", "--family", "embed", "--dir", str(project.root))
    project.run(*PYTEST, cwd="pipelex-fresh", path="pipelex-fresh/src")

    project.codegen("diff")
    assert [] == [item["id"] for item in project.findings() if item["breaking"]]
    before = parse_spec((project.root / "spi.toml").read_text(encoding="utf-8")).spec
    after = f"{VERSION}.{before.revision + 1}"
    assert f"to {after} (additive)" in project.codegen("bump")
    project.codegen("--check", "--full")
    assert "next" not in {
        row.since for row in parse_spec((project.root / "spi.toml").read_text()).spec.symbols.values()
    }
    plugins = project.plugins
    said = project.pipelex("plugins", "upgrade", "--write", *plugins)
    assert len(plugins) == said.count("nothing to do")
    all_is_green(project, [*plugins, "pipelex-fresh"])
    project.pipelex("plugins", "check", "builtin:hashing")
    assert "embed/hashing" in project.pipelex("plugins", "list")
