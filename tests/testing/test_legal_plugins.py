"""Plugins that are right pass the kit: the README's, and one that imports the standard library at its top."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.testing.kit_runs import ROOT, run_kit

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """\
from {module} import {plugin}
from pipelex.testing.llm import LLMConformance
from pipelex.testing.vendor import IN_PROCESS, RealEngine, Trait, waive


class TestIt(LLMConformance):
    sdk = "{module}"
    model_id = "loud"
    concurrency = 4
    not_needed = {{Trait.OPTIONAL_SDK: "no SDK", Trait.CLIENT: "no client", Trait.USAGE: "nothing is counted"}}
    cannot = waive(IN_PROCESS, not_needed)

    def plugin(self):
        return {plugin}()

    def vendor(self):
        return RealEngine()
"""
STANDARD_LIBRARY = """\
import asyncio
import copy
import ctypes
import logging
import pickle
import subprocess
import tomllib
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

try:
    import readline  # not on every platform
except ImportError:
    readline = None


@dataclass(frozen=True)
class Volume:
    level: int = 11
"""


def readme_plugin() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [source] = re.findall(r"^## A plugin in 20 lines\n\n```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    return str(source)


@pytest.mark.parametrize("head", ["", STANDARD_LIBRARY], ids=["as it is", "with the standard library at its top"])
def test_the_readmes_plugin_passes_the_kit(tmp_path: Path, head: str) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["pipelex.testing"]\n', encoding="utf-8")
    (tmp_path / "shout.py").write_text(head + readme_plugin(), encoding="utf-8")
    (tmp_path / "test_shout.py").write_text(SUITE.format(module="shout", plugin="ShoutPlugin"), encoding="utf-8")
    run = run_kit(tmp_path, "test_shout.py")
    assert 0 == run.code, run.output
    assert "passed" == run.outcomes["TestIt", "test_importing_the_plugin_is_light"]
