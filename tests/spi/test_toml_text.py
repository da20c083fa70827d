"""TOML within bounds: what is too deep or too long is a named error with its line, as is what is no TOML."""

from __future__ import annotations

import pytest

from pipelex.spi.toml_text import MAX_NESTING, TomlTextError, parse_toml

DEEP = 5000


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("[" * DEEP + "]" * DEEP, "nested more than"),
        ("{a=" * DEEP + "1" + "}" * DEEP, "nested more than"),
        ("[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1), "nested more than"),
        ("9" * DEEP, "an integer with too many digits"),
        ("0x" + "f" * DEEP, "an integer with too many digits"),
        ("[1", "Unclosed array"),
        ("1 2", "Expected newline"),
    ],
)
def test_what_cannot_be_parsed_is_an_error_with_its_line(value: str, reason: str) -> None:
    text = f'# {"[" * DEEP}\nfirst = "{"9" * DEEP} {"[" * DEEP}"\nb = {value}'
    with pytest.raises(TomlTextError, match=reason) as caught:
        parse_toml(text)
    assert 3 == caught.value.line


@pytest.mark.parametrize("text", ["\n" + "a." * DEEP + "b = 1", "\n[" + "a." * DEEP + "b]"])
def test_a_key_of_very_many_parts_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(TomlTextError, match="nested more than") as caught:
        parse_toml(text)
    assert 2 == caught.value.line


def test_numbers_that_no_setting_can_mean_are_named() -> None:
    parsed = parse_toml(f"a = inf\n[b]\nc = [1, nan]\nd = 1.5\ne = -{10**30}\nf = true\n")
    found = {path: (parsed.line(path), reason) for path, reason in parsed.numbers_out_of_bounds()}
    assert found == {
        ("a",): (1, "inf is not a finite number"),
        ("b", "c", 1): (3, "nan is not a finite number"),
        ("b", "e"): (5, "an integer beyond 64 bits"),
    }


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('# a """ in a comment\na = 1\n', ("a",), 2),
        ("\ufeffa = 1\nb = 2\n", ("b",), 2),
        ("a = 1\r\nb = 2\r\n", ("b",), 2),
        ('a = """x\n"y""""\nb = 2\n', ("b",), 3),
        ("a = { b = 1, c = { d = 2 } }\n", ("a", "c", "d"), 1),
        ('a = 1\n["x\\ty".b]\n"q\\"\\u00e9" = 2\n', ("x\ty", "b", 'q"é'), 3),
        ("[a.b]\nc = 1\n[a]\nd = 2\n", ("a",), 3),
    ],
    ids=[
        "quotes in a comment",
        "a byte order mark",
        "CRLF",
        "quotes at the end of a text",
        "inline tables",
        "escapes in a quoted key",
        "a table after one that is in it",
    ],
)
def test_a_key_is_found_whatever_is_around_it(text: str, path: tuple[str, ...], line: int) -> None:
    assert line == parse_toml(text).line(path)
