"""What a published module may say beyond the plain cases is in its stub: overloads, fields, new types."""

from __future__ import annotations

import ast

from tests.codegen.conftest import SmallProject

JOB = "src/pipelex/cogt/llm/job.py"
GUARD = "if TYPE_CHECKING:\n"
DEPRECATED = f"from typing_extensions import deprecated\n\n{GUARD}"
STUB = "src/pipelex/spi/v3/pipelex/cogt/llm/job.pyi"
PICK = '''def pick(items: list[ItemT], key: Callable[[ItemT], bool]) -> ItemT:
    """Pick an item.
'''


def stub_of(small: SmallProject, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        small.edit(JOB, old, new)
    text = small.render()[STUB]
    ast.parse(text)
    return text


def test_of_an_overloaded_function_the_signatures_that_callers_see_are_published(small: SmallProject) -> None:
    overloads = "@overload\ndef pick(items: str) -> str: ...\n@overload\ndef pick(items: int) -> int: ...\n"
    implementation = "def pick(items: str | int) -> str | int:\n    return items\n\n\ndef other(items, key):\n"
    text = stub_of(
        small,
        ("import TYPE_CHECKING, ", "import TYPE_CHECKING, overload, "),
        (PICK, f"{overloads}{implementation}    '''Other.\n"),
        ('        key: Which one.\n    """', "        key: Which one.\n    '''"),
    )
    assert 2 == text.count("@overload\ndef pick(")
    assert "str | int" not in text


def test_of_an_overloaded_method_no_implementation_is_published(small: SmallProject) -> None:
    old = "    @property\n    def size"
    methods = (
        "    @overload\n    def at(self, key: str) -> str: ...\n    @overload\n    def at(self, key: int) -> int: ...\n"
        "    def at(self, key: str | int) -> str | int:\n        return key\n\n"
    )
    text = stub_of(small, ("import TYPE_CHECKING, ", "import TYPE_CHECKING, overload, "), (old, methods + old))
    assert 2 == text.count("def at(")
    assert "str | int" not in text


def test_a_final_overloaded_method_is_final_on_its_first_overload(small: SmallProject) -> None:
    old = "    @property\n    def size"
    methods = (
        "    @overload\n    def at(self, key: str) -> str: ...\n    @overload\n    def at(self, key: int) -> int: ...\n"
        "    @final\n    def at(self, key: str | int) -> str | int:\n        return key\n\n"
    )
    text = stub_of(small, ("import TYPE_CHECKING, ", "import TYPE_CHECKING, final, overload, "), (old, methods + old))
    assert 1 == text.count("@final") == text.count("@final\n    @overload\n    def at(self, key: str)")
    assert "from typing import " in text
    assert "final" in text.partition("class ")[0]


def test_what_is_deprecated_is_published_as_deprecated(small: SmallProject) -> None:
    marked = '@deprecated("call other")\ndef pick('
    text = stub_of(small, ("def pick(", marked), (GUARD, DEPRECATED))
    assert marked in text
    assert "from typing_extensions import deprecated" in text


def test_how_the_constructor_takes_a_field_is_published(small: SmallProject) -> None:
    text = stub_of(
        small,
        ("limit: int = -1", "limit: int = field(default=-1, init=False, repr=False)"),
        (
            "extras: Mapping[str, int] = field(default_factory=dict)",
            "extras: Mapping[str, int] = field(default_factory=dict, kw_only=False)",
        ),
    )
    assert "limit: int = field(default=-1, init=False, repr=False)" in text
    assert "extras: Mapping[str, int] = field(default_factory=dict, kw_only=False)" in text
    assert "import dataclass, field" in text


def test_the_mark_of_keyword_only_fields_is_published(small: SmallProject) -> None:
    text = stub_of(
        small,
        ("from dataclasses import dataclass, field", "from dataclasses import KW_ONLY, dataclass, field"),
        ("@dataclass(frozen=True, kw_only=True)", "@dataclass(frozen=True)"),
        ("    data: bytes", "    _: KW_ONLY\n    data: bytes"),
    )
    assert "_: KW_ONLY" in text


def test_a_new_type_is_published(small: SmallProject) -> None:
    small.edit(
        "spi.toml",
        '"pipelex.cogt.llm.job:pick"',
        '"pipelex.cogt.llm.job:Sdk" = { since = "3.1", role = "an sdk" }\n"pipelex.cogt.llm.job:pick"',
    )
    text = stub_of(
        small,
        ("import TYPE_CHECKING, Generic, ", "import TYPE_CHECKING, Generic, NewType, "),
        ('["Job", "pick"]', '["Job", "Sdk", "pick"]'),
        ("UnusedT = ", 'Sdk = NewType("Sdk", str)\nUnusedT = '),
    )
    assert 'Sdk = NewType("Sdk", str)' in text


def test_a_default_is_published_by_its_value(small: SmallProject) -> None:
    """A constant of the module counts by its value, and what a call makes by the call."""
    text = stub_of(
        small,
        ("limit: int = -1", "limit: int = _LIMIT"),
        ("class Job:", "class Job:\n    more: tuple[int, ...] = tuple((1, 2))"),
        ("UnusedT = ", "_LIMIT = 7\nUnusedT = "),
    )
    assert "limit: int = 7" in text
    assert "more: tuple[int, ...] = tuple((1, 2))" in text
    assert "extras: Mapping[str, int] = field(default_factory=dict)" in text


def test_what_makes_a_class_hashable_or_slotted_is_published(small: SmallProject) -> None:
    text = stub_of(small, ("class Job:", 'class Job:\n    __hash__ = None\n    __slots__ = ("data", "_private")'))
    assert "    __hash__ = None\n" in text
    assert '    __slots__ = ("data",)\n' in text


def test_a_default_that_no_stub_shows_is_kept_in_the_lock(small: SmallProject) -> None:
    small.edit(JOB, "limit: int = -1", "limit: int = field(default_factory=lambda:  40 + 2, repr=False)")
    small.edit(JOB, "key: Callable[[ItemT], bool]) -> ItemT:", "key: Callable[[ItemT], bool] = bool) -> ItemT:")
    rendered = small.render()
    assert "limit: int = ..." in rendered[STUB]
    lock = rendered["src/pipelex/spi/spi.lock"]
    assert '"pipelex.cogt.llm.job:Job.limit = lambda: 40 + 2"' in lock
    assert '"pipelex.cogt.llm.job:pick(key) = bool"' in lock
