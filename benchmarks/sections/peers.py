"""Other libraries that call models, doing the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures import Row
from benchmarks.measure import PROGRAMS
from benchmarks.section import Section
from benchmarks.sections.boot import project_folder

if TYPE_CHECKING:
    from benchmarks.figures import Unit
    from benchmarks.section import Bench

_SDK = "openai SDK alone"
_PEERS = (  # its title, its module below programs/peers, its environment
    (_SDK, "openai_sdk", "drivers"),
    ("pipelex", "pipelex_openai", "drivers"),
    ("instructor (an older openai SDK)", "instructor", "instructor"),
    ("any-llm", "any_llm", "any_llm"),
    ("simonw/llm", "llm", "llm"),
    ("LangChain, init_chat_model", "langchain", "langchain"),
    ("Pydantic AI", "pydantic_ai", "pydantic_ai"),
    ("LiteLLM", "litellm", "litellm"),
)
_TABLES: tuple[tuple[str, str, str, str, Unit], ...] = (
    (
        "import",
        "CPU time until everything that a call needs is imported, as far as the library imports it at once.",
        "import",
        "cpu",
        "s",
    ),
    ("first answer", "CPU time from the start of Python to the first answer.", "first", "cpu", "s"),
    ("first answer, wall", "The same by the clock on the wall.", "first", "wall", "s"),
    ("one chat completion", "CPU time a call when all is warm, one at a time.", "calls", "call", "s"),
    (
        "one chat completion, wall",
        "The same by the clock on the wall, the server's answer included.",
        "calls",
        "call wall",
        "s",
    ),
    ("peak memory", "The high-water mark of a process that makes one call.", "first", "memory", "bytes"),
    ("modules", "Beyond those of `pass`, after one call.", "first", "modules", "modules"),
)
_PANELS = ("import", "first answer", "one chat completion", "peak memory")
_MODES = ("import", "first", "calls")


def section(bench: Bench) -> Section:
    """Make the topic."""
    topic = Section(bench, "peers")
    project = project_folder(topic.folder / "project", bench.url)
    for _, module, environment in _PEERS:
        for mode in _MODES:
            topic.program(
                f"{module} {mode}",
                environment,
                str(PROGRAMS / "peer.py"),
                module,
                mode,
                bench.url,
                cwd=project,
                counts=mode == "first",
                warms_up=mode != "calls",
                more={"LLM_USER_PATH": str(topic.folder)},
            )
    for title, text, mode, quantity, unit in _TABLES:
        base = f"openai_sdk {mode}"
        rows = [
            Row(name, f"{module} {mode}", base if name != _SDK else None, quantity, base_title=_SDK, unit=unit)
            for name, module, _ in _PEERS
        ]
        topic.table(f"Peers: {title}", text, rows, panel=title if title in _PANELS else None)
    return topic
