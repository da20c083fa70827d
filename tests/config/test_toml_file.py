from __future__ import annotations

from pathlib import Path

import pytest

from pipelex.config.toml_file import TomlFile
from pipelex.exceptions import ConfigurationError

TEXT = '''\
title = "a = b"            # 1

[backends.acme]             # 3
api_key = "${KEY}"
"odd key" = 1
text = """
[backends.false]
api_key = 3
"""
llm.sdk = "acme"            # 10
  [ backends . "o.ther" ]   # 11
  list = [
    "x=1",
  ]
inline = { endpoint = "x" } # 15
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("title",), 1),
        (("backends", "acme"), 3),
        (("backends", "acme", "api_key"), 4),
        (("backends", "acme", "odd key"), 5),
        (("backends", "acme", "llm", "sdk"), 10),
        (("backends", "acme", "llm"), 10),
        (("backends", "o.ther"), 11),
        (("backends", "o.ther", "list"), 12),
        (("backends", "o.ther", "inline", "endpoint"), 15),
        (("backends", "acme", "missing"), 3),
        (("backends", "false"), 3),
        (("models",), None),
    ],
)
def test_a_key_is_found_on_its_line_or_on_that_of_its_table(key: tuple[str, ...], line: int | None) -> None:
    assert TomlFile.parse(Path("x.toml"), TEXT.encode()).line_of(key) == line


def test_a_repr_holds_no_contents() -> None:
    assert repr(TomlFile.parse(Path("x.toml"), b"api_key = 'secret'")) == "TomlFile('x.toml')"


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    large = tmp_path / "pipelex.toml"
    with large.open("wb") as file:
        file.truncate(2**34)  # sparse: it takes no room
    with pytest.raises(ConfigurationError, match=r"pipelex.toml: it is too large: more than 16 MB"):
        TomlFile.read(large)
