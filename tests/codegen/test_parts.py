"""The small tools of the generator: lines of TOML keys, digests of meaning, Python layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.digest import code_meaning, meaning
from codegen.project import Project
from codegen.render import constant
from codegen.source import read_module
from codegen.spec import dotted
from pipelex.spi.python_text import call, imports
from pipelex.spi.toml_text import parse_toml

TOML = '''\
a = 1  # line 1
"b.c" = "x = 1 # no comment ] }"
d.e = [
    1,
    { f = "}", g = [
        'h',
    ] },  # line 7
]
i = """
j = 9
"""
[table.sub]
k = 1

[[rows]]
l = 1
[[rows]]
l = 2
[rows.inner]
m = 3
[[rows.nested]]
n = 4
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("b.c",), 2),
        (("d", "e"), 3),
        (("d", "e", 0), 4),
        (("d", "e", 1, "g", 0), 6),
        (("i",), 9),
        (("j",), 0),
        (("table", "sub"), 12),
        (("table", "sub", "k"), 13),
        (("rows", 0, "l"), 16),
        (("rows", 1), 17),
        (("rows", 1, "l"), 18),
        (("rows", 1, "inner", "m"), 20),
        (("rows", 1, "nested", 0, "n"), 22),
        (("rows", 1, "absent"), 17),
    ],
)
def test_a_key_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert line == parse_toml(TOML).line(path)


def test_a_path_is_spelt_as_a_reader_would() -> None:
    assert 'symbols."a.b:C".since' == dotted(("symbols", "a.b:C", "since"))
    assert "builtin[1].workers[0].sdk" == dotted(("builtin", 1, "workers", 0, "sdk"))


@pytest.mark.parametrize(
    "same",
    [
        'def f(a: int, b: str = "x") -> None:\n    """Doc."""\n    ...\n',
        'def f(a: int, b: str = "x") -> None:\n    ...  # a comment\n',
        'def f(\n    a: int,\n    b: str = "x",\n) -> None:\n    """Other."""\n\n    ...\n',
    ],
)
def test_comments_docstrings_and_layout_mean_nothing(same: str) -> None:
    assert 'def f ( a : int , b : str = "x" ) -> None :\n  . . .'.replace(". . .", "...") == code_meaning(same)


@pytest.mark.parametrize(
    "other",
    ["x = (1)\n", "x = 1\n", "x = 1, 2\n", "y = (1,)\n"],
)
def test_what_differs_means_something_else(other: str) -> None:
    assert code_meaning("x = (1,)\n") != code_meaning(other)


def test_an_enum_value_is_no_docstring() -> None:
    assert code_meaning('class A:\n    X = "x"\n') != code_meaning('class A:\n    X = "y"\n')


def test_the_order_of_toml_keys_means_nothing() -> None:
    assert meaning("a.toml", "# c\na = 1\nb = 2\n") == meaning("a.toml", "b = 2\na = 1\n")


def test_a_long_call_takes_a_line_per_argument() -> None:
    assert "f(a, b)" == call("f", ["a", "b"], 4)
    long = "x" * 60
    assert f"f(\n        {long},\n        {long},\n    )" == call("f", [long, long], 4)


def test_imports_are_sorted_and_merged() -> None:
    assert "from a import b\nfrom c import A_B, D, e" == imports(["c:e", "a:b", "c:D", "c:A_B"])


def test_a_long_constant_is_spread_and_says_the_same() -> None:
    text = "many words " * 20
    namespace: dict[str, str] = {}
    exec(constant(text, "NAME"), namespace)
    assert text == namespace["NAME"]
    assert all(len(line) <= 120 for line in constant(text, "NAME").splitlines())


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("if TYPE_CHECKING:\n    from a import first\nelse:\n    from b import second\n", {"first": "a:first"}),
        ("if typing.TYPE_CHECKING:\n    import first\n", {"first": "first:"}),
        ("if not TYPE_CHECKING:\n    from a import first\nelse:\n    from b import second\n", {"second": "b:second"}),
        ("if TYPE_CHECKING is False:\n    from a import first\nelif other:\n    from b import second\n", {}),
        ("if other:\n    from a import first\n", {}),
    ],
    ids=["guarded", "by its module", "negated", "compared", "no guard"],
)
def test_an_import_counts_where_a_type_checker_sees_it(tmp_path: Path, text: str, bound: dict[str, str]) -> None:
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    assert bound == read_module(Project(tmp_path), "module", "module.py").imports
