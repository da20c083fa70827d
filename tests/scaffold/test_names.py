from __future__ import annotations

import pytest

from pipelex.exceptions import PluginNameError
from pipelex.plugins.registrar import CORE_COMMANDS
from pipelex.scaffold.names import LONGEST, PluginNames
from pipelex.spi.lock import read_spi_lock


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("acme", ("acme", "pipelex-acme", "pipelex_acme", "stand_in_acme_sdk", "Acme", "ACME")),
        (
            "Acme_AI.v2",
            (
                "acme-ai-v2",
                "pipelex-acme-ai-v2",
                "pipelex_acme_ai_v2",
                "stand_in_acme_ai_v2_sdk",
                "AcmeAiV2",
                "ACME_AI_V2",
            ),
        ),
        ("pipelex-acme", ("acme", "pipelex-acme", "pipelex_acme", "stand_in_acme_sdk", "Acme", "ACME")),
        ("class", ("class", "pipelex-class", "pipelex_class", "stand_in_class_sdk", "Class", "CLASS")),
        ("json", ("json", "pipelex-json", "pipelex_json", "stand_in_json_sdk", "Json", "JSON")),
    ],
    ids=["plain", "one canonical spelling", "the prefix is known", "a keyword", "a module of the standard library"],
)
def test_one_name_gives_all_others(given: str, names: tuple[str, ...]) -> None:
    assert names == PluginNames.of(given)
    assert all(name.isidentifier() for name in names[2:])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "begins with a letter"),
        ("9lives", "begins with a letter"),
        ("a b", "begins with a letter"),
        ("../acme", "begins with a letter"),
        ("acme-", "begins with a letter"),
        ("é", "begins with a letter"),
        ("pipelex", "the host's own name"),
        ("a" * (LONGEST + 1), f"{LONGEST} are the most"),
        *((extra, "an extra or a command") for extra in read_spi_lock().extras),
    ],
)
def test_what_no_plugin_can_be_called_is_refused_with_the_reason(given: str, reason: str) -> None:
    with pytest.raises(PluginNameError, match=reason) as caught:
        PluginNames.of(given)
    assert repr(given) in str(caught.value)


def test_whatever_the_host_holds_is_refused() -> None:
    for builtin in read_spi_lock().builtins:
        for taken in (builtin.name, *(key.partition("/")[2] for key in builtin.backends)):
            with pytest.raises(PluginNameError, match=f"'{builtin.name}' holds it"):
                PluginNames.of(taken)
    for command in CORE_COMMANDS:
        with pytest.raises(PluginNameError):
            PluginNames.of(command)
