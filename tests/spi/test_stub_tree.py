"""A stub tree as records: what a symbol takes, what is published, and which stubs are refused."""

from __future__ import annotations

import pytest

from pipelex.spi.stub_tree import ClassShape, StubError, TreeShape, read_stub_tree, stub_files
from tests.architecture.tree import SPEC, SRC

STUB = """\
from __future__ import annotations
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, overload
if TYPE_CHECKING:
    from pipelex.other import Other
__all__ = ("Record", "Shape")

@dataclass(frozen=True)
class Record:
    first: int
    second: Other | None = None

class Shape(Protocol):
    def __call__(self, *, record: "Record", other: Other = ...) -> None: ...

class Worker:
    def __init__(self, record: Record, /, *, name: str = "x") -> None: ...
    @staticmethod
    def made(name: str) -> Worker: ...
    @property
    def size(self) -> int: ...
    async def run(self, *records: Record, **more: typing.Any) -> None: ...

class Derived(Worker): ...

def function(a: int, b: str = ...) -> None: ...
"""
OTHER = "class Other: ...\n"


@pytest.fixture(scope="module")
def tree() -> TreeShape:
    """A small tree of two modules."""
    return read_stub_tree({"pipelex/one.pyi": STUB, "pipelex/other.pyi": OTHER, "pipelex/__init__.pyi": ""}, "small")


@pytest.mark.parametrize(
    ("symbol", "params"),
    {
        "function": "a b=...",
        "Record": "first second=None",
        "Shape": "record other=...",
        "Worker": "record name='x'",
        "Worker.__init__": "record name='x'",
        "Derived": "record name='x'",
        "Derived.made": "name",
        "Worker.run": "records more",
        "Worker.size": None,
        "Worker.none": None,
        "none": None,
    }.items(),
)
def test_a_symbol_takes_what_its_function_its_call_or_its_constructor_takes(
    tree: TreeShape, symbol: str, params: str | None
) -> None:
    signature = tree.signature(f"pipelex.one:{symbol}")
    shown = None
    if signature is not None:
        shown = " ".join(one.name + (f"={one.default}" if one.default else "") for one in signature.params)
    assert params == shown


def test_names_mean_what_the_imports_of_their_module_bind_guarded_ones_too(tree: TreeShape) -> None:
    module = tree.modules["pipelex.one"]
    assert ["pipelex.other:Other", "pipelex.one:Record", "typing", "typing.Protocol", "builtins.int"] == [
        module.resolve(name) for name in ("Other", "Record", "typing", "Protocol", "int")
    ]


def test_what_is_published_is_what_all_names(tree: TreeShape) -> None:
    assert frozenset({"Record", "Shape"}) == tree.modules["pipelex.one"].published
    assert not tree.modules["pipelex"].published


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("x: int\ndef (", 2, "not valid Python"),
        ("x: int\ny: Unknown\n", 2, "mentions 'Unknown', which it neither defines nor imports"),
    ],
    ids=["no Python", "a name that means nothing"],
)
def test_a_stub_that_cannot_be_read_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(StubError, match=problem) as caught:
        read_stub_tree({"pipelex/bad.pyi": text}, "bad")
    assert ("pipelex/bad.pyi", line) == (caught.value.path, caught.value.line)


def test_the_stubs_of_the_project_publish_what_the_spec_lists() -> None:
    tree = read_stub_tree(stub_files(SRC / "pipelex" / "spi" / f"v{SPEC['api_version']}"), "now")
    assert set(SPEC["symbols"]) == {
        f"{name}:{one}" for name, module in tree.modules.items() for one in module.published or ()
    }
    assert isinstance(tree.shapes["pipelex.plugins.registrar:PluginRegistrar"], ClassShape)
