"""Imports read from syntax trees: what each binds, and who sees it."""

from __future__ import annotations

import ast

import pytest

from pipelex.spi.imports import absolute_name, read_imports, type_checking_guard_in

GUARDS = {
    "TYPE_CHECKING": True,
    "typing.TYPE_CHECKING": True,
    "t.TYPE_CHECKING": True,
    "not TYPE_CHECKING": False,
    "not typing.TYPE_CHECKING": False,
    "not (not TYPE_CHECKING)": True,
    "TYPE_CHECKING is True": True,
    "TYPE_CHECKING is False": False,
    "TYPE_CHECKING == True": True,
    "TYPE_CHECKING == False": False,
    "TYPE_CHECKING is not False": True,
    "TYPE_CHECKING != True": False,
    "not TYPE_CHECKING is False": True,
    "sys.platform == 'win32'": None,
    "NOT_TYPE_CHECKING": None,
    "TYPE_CHECKING or True": None,
    "TYPE_CHECKING is other": None,
    "True": None,
}


@pytest.mark.parametrize(("condition", "guard"), GUARDS.items(), ids=GUARDS)
def test_a_condition_holds_for_a_type_checker_alone_for_the_interpreter_alone_or_for_both(
    condition: str, guard: bool | None
) -> None:
    assert guard is type_checking_guard_in(condition)


@pytest.mark.parametrize("condition", [condition for condition, guard in GUARDS.items() if guard is not None])
def test_both_branches_of_a_guard_are_read_for_whom_they_are(condition: str) -> None:
    tree = ast.parse(f"if {condition}:\n    import first\nelse:\n    import second\n")
    seen = {one.module: (one.type_only, one.hidden) for one in read_imports(tree, "module")}
    only, never = (True, False), (False, True)
    assert seen == ({"first": only, "second": never} if GUARDS[condition] else {"first": never, "second": only})


@pytest.mark.parametrize(
    ("condition", "only"),
    [
        ("TYPE_CHECKING and sys.version_info >= (3, 12)", ["first"]),
        ("sys.platform == 'win32' and typing.TYPE_CHECKING", ["first"]),
        ("not TYPE_CHECKING or sys.platform == 'win32'", ["second"]),
        ("not (TYPE_CHECKING and other)", ["second"]),
        ("TYPE_CHECKING or other", []),
        ("other and another", []),
    ],
)
def test_one_guard_of_several_conditions_guards_one_branch(condition: str, only: list[str]) -> None:
    tree = ast.parse(f"if {condition}:\n    import first\nelse:\n    import second\n")
    assert only == [one.module for one in read_imports(tree, "module") if one.type_only]


def test_each_import_says_what_it_binds_and_when_it_runs() -> None:
    text = (
        "import a.b\nimport a.c as d\nfrom e import f as g\ndef late():\n    from .h import *\n    from .. import i\n"
    )
    found = [(one.module, one.name, one.bound, one.in_function) for one in read_imports(ast.parse(text), "x.y.z")]
    assert found == [
        ("a.b", None, "a", False),
        ("a.c", None, "d", False),
        ("e", "f", "g", False),
        ("x.y.h", "*", "*", True),
        ("x", "i", "i", True),
    ]


@pytest.mark.parametrize(
    ("package", "module", "level", "absolute"),
    [
        ("x.y", "z", 0, "z"),
        ("x.y", "z", 1, "x.y.z"),
        ("x.y", "", 1, "x.y"),
        ("x.y", "z", 2, "x.z"),
        ("", "z", 1, "z"),
        ("x.y", "z", 9, "z"),
    ],
)
def test_a_relative_import_is_resolved_from_its_package(package: str, module: str, level: int, absolute: str) -> None:
    assert absolute == absolute_name(package, module, level)


def test_a_package_file_is_its_own_package() -> None:
    tree = ast.parse("from . import z")
    assert ["x.y"] == [one.module for one in read_imports(tree, "x.y", is_package=True)]
    assert ["x"] == [one.module for one in read_imports(tree, "x.y")]
