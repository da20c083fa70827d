from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.config.plugins_config import PluginsConfig, load_plugins_config
from pipelex.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Folders


def test_nothing_is_disabled_where_no_file_says_so(folders: Folders) -> None:
    assert load_plugins_config([]) == PluginsConfig(disabled=())
    assert load_plugins_config([folders.user("[defaults]\nllm = 'x'\n")]) == PluginsConfig(disabled=())


def test_the_strongest_file_that_states_a_denylist_gives_it_whole(folders: Folders) -> None:
    mine = folders.user('[plugins]\ndisabled = ["a", "b"]\n')
    silent = folders.of_project("[plugins]\n")
    assert load_plugins_config([silent, mine]).disabled == ("a", "b")
    ours = folders.of_project("[plugins]\ndisabled = []\n")
    assert load_plugins_config([ours, mine]).disabled == ()


@pytest.mark.parametrize(
    ("text", "line", "key", "reason"),
    [
        ("[plugins]\ndisabled = 'acme'\n", 2, "plugins.disabled", "list of plugin names"),
        ("[plugins]\ndisabled = ['acme', 3]\n", 2, "plugins.disabled", "list of plugin names"),
        ("\n\n[plugins]\n\ndisable = ['acme']\n", 5, "plugins.disable", "'disabled'"),
        ("plugins.disabled = ['']\n", 1, "plugins.disabled", "list of plugin names"),
        ("# one\n[plugin]\ndisabled = ['acme']\n", 2, "plugin", "Did you mean 'plugins'?"),
        ("plugins = 1\n", 1, "plugins", "expected a table"),
        ("[plugins]\ndisabled = [\n", 3, None, "not valid TOML"),
    ],
)
def test_a_wrong_table_is_named_by_file_line_and_key(
    folders: Folders, text: str, line: int, key: str | None, reason: str
) -> None:
    file = folders.of_project(text)
    with pytest.raises(ConfigurationError) as caught:
        load_plugins_config([file])
    assert (str(file), line, key) == (caught.value.file, caught.value.line, caught.value.key)
    assert reason in str(caught.value)


def test_a_wrong_weaker_file_is_told_too(folders: Folders) -> None:
    mine, ours = folders.user("[plugins]\ndisabled = 1\n"), folders.of_project("[plugins]\ndisabled = []\n")
    with pytest.raises(ConfigurationError, match="list of plugin names"):
        load_plugins_config([ours, mine])


def test_other_tables_are_not_read(folders: Folders) -> None:
    file = folders.of_project('[backends]\nlocal = 3\n[plugins]\ndisabled = ["x"]\n')
    assert load_plugins_config([file]).disabled == ("x",)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pipelex.toml"
    file.write_bytes(b"[plugins]\n# caf\xe9\n")
    with pytest.raises(ConfigurationError, match=r"pipelex\.toml:2: it is not UTF-8"):
        load_plugins_config([file])


def test_reading_the_table_loads_no_pydantic(folders: Folders) -> None:
    file = folders.of_project('[plugins]\ndisabled = ["x"]\n')
    code = (
        "import sys; from pathlib import Path; from pipelex.config.plugins_config import load_plugins_config as load;"
        f"assert load([Path({str(file)!r})]).disabled == ('x',); assert 'pydantic' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
