from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.config.plugins_config import PluginsConfig, load_plugins_config
from pipelex.exceptions import ConfigurationError

if TYPE_CHECKING:
    from tests.config.conftest import Folders


def test_nothing_is_disabled_where_no_file_says_so(folders: Folders) -> None:
    assert load_plugins_config() == PluginsConfig(disabled=())
    folders.user("[defaults]\nllm = 'x'\n")
    assert load_plugins_config() == PluginsConfig(disabled=())


def test_the_strongest_file_that_states_a_denylist_gives_it_whole(folders: Folders) -> None:
    folders.user('[plugins]\ndisabled = ["a", "b"]\n')
    folders.of_project("[plugins]\n")
    assert load_plugins_config().disabled == ("a", "b")
    folders.of_project("[plugins]\ndisabled = []\n")
    assert load_plugins_config().disabled == ()


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
        load_plugins_config()
    assert (str(file), line, key) == (caught.value.file, caught.value.line, caught.value.key)
    assert reason in str(caught.value)


def test_a_wrong_weaker_file_is_told_too(folders: Folders) -> None:
    folders.user("[plugins]\ndisabled = 1\n")
    folders.of_project("[plugins]\ndisabled = []\n")
    with pytest.raises(ConfigurationError, match="list of plugin names"):
        load_plugins_config()


def test_other_tables_are_not_read(folders: Folders) -> None:
    folders.of_project('[backends]\nlocal = 3\n[plugins]\ndisabled = ["x"]\n')
    assert load_plugins_config().disabled == ("x",)


def test_a_file_that_is_not_text_is_named(folders: Folders) -> None:
    folders.of_project("").write_bytes(b"[plugins]\n# caf\xe9\n")
    with pytest.raises(ConfigurationError, match=r"pipelex\.toml:2: it is not UTF-8"):
        load_plugins_config()


def test_reading_the_table_loads_no_pydantic(folders: Folders) -> None:
    folders.of_project('[plugins]\ndisabled = ["x"]\n')
    code = (
        "import sys; from pipelex.config.plugins_config import load_plugins_config as load;"
        "assert load().disabled == ('x',); assert 'pydantic' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
