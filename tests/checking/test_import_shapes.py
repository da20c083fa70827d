"""The shapes in which a plugin can reach past the plugin API are all found, and what merely looks like one is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.checking.check import check
from pipelex.checking.examples import helper
from tests.checking.written import write_example

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = "pipelex.plugins.inference_backend_registry"

REACHES = {
    "re-export": ("from pipelex.plugins.registrar import InferenceFamily\n", {"PX202"}),
    "module outside the SPI": ("from pipelex.hub import get_hub\n", {"PX201"}),
    "unpublished name of an SPI module": (f"from {REGISTRY} import InferenceBackendRegistry\n", {"PX203"}),
    "attribute of an imported module": (
        "import pipelex.plugins.registrar as r\nR = r.CORE_COMMANDS\n",
        {"PX103", "PX206"},
    ),
    "attribute of a parent package": ("import pipelex.plugins\nR = pipelex.plugins.registrar\n", {"PX103", "PX206"}),
    "module of a parent package": (
        "from pipelex.plugins import registrar\nR = registrar.CORE_COMMANDS\n",
        {"PX103", "PX206"},
    ),
    "star": (f"from {REGISTRY} import *\n", {"PX205"}),
    "inside a function": ("def f() -> None:\n    from pipelex.boot import Pipelex\n\n    Pipelex.setup()\n", {"PX201"}),
    "under TYPE_CHECKING": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipelex.hub import Hub\n",
        {"PX201"},
    ),
    "under not TYPE_CHECKING": (
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    from pipelex.hub import Hub\n",
        {"PX201", "PX208"},
    ),
    "in the other branch of TYPE_CHECKING": (
        f"import typing\nif typing.TYPE_CHECKING:\n    X = int\nelse:\n    from {REGISTRY} import require_sdk as X\n",
        {"PX208"},
    ),
    "in try and except": ("try:\n    from pipelex.hub import Hub\nexcept ImportError:\n    Hub = None\n", {"PX201"}),
    "importlib": ("import importlib\nH = importlib.import_module('pipelex.hub')\n", {"PX207"}),
    "importlib under another name": (
        "from importlib import import_module as load\nNAME = 'pipelex.hub'\nH = load(NAME)\n",
        {"PX207"},
    ),
    "importlib with an f-string": (
        "import importlib\n\n\ndef f(x: str) -> object:\n    return importlib.import_module(f'pipelex.{x}')\n",
        {"PX207"},
    ),
    "__import__": ("H = __import__('pipelex.hub')\n", {"PX207"}),
    "exec": ("exec('from pipelex.hub import Hub')\n", {"PX207"}),
    "type-ignored": ("from pipelex.hub import Hub  # type: ignore[import-not-found]\n", {"PX201", "PX209"}),
    "ignored for the whole file": ("# type: ignore\nfrom pipelex.hub import Hub\n", {"PX201", "PX209"}),
    "errors switched off in the file": (
        "# mypy: ignore-errors\nfrom pipelex.plugins.model_handle import ModelHandle\nH = ModelHandle()\n",
        {"PX209"},
    ),
    "private name": (f"from {REGISTRY} import _hidden\n", {"PX204"}),
    "private attribute": (
        (
            "from pipelex.plugins.registrar import PluginRegistrar\n\n\n"
            "def f(registrar: PluginRegistrar) -> object:\n    return registrar._backends\n"
        ),
        {"PX204"},
    ),
    "in an untyped function": ("def f():\n    from pipelex.hub import Hub\n    return Hub\n", {"PX104", "PX201"}),
    "sys.modules": ("import sys\nH = sys.modules['pipelex.hub']\n", {"PX207"}),
    "sys.modules.get": ("from sys import modules\nH = modules.get('pipelex.hub')\n", {"PX207"}),
}

NEAR_MISSES = {
    "canonical, under another name": f"from {REGISTRY} import InferenceFamily as F\nX = F.LLM\n",
    "canonical, in a function": f"def f() -> None:\n    from {REGISTRY} import require_sdk\n\n"
    "    require_sdk(spec='acme', extra='acme', msg='m')\n",
    "canonical, under TYPE_CHECKING": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
    "    from pipelex.plugins.registrar import PluginRegistrar\n\n\n"
    "def f(r: 'PluginRegistrar') -> None:\n    r.add_model_lister\n",
    "canonical, in parentheses": f"from {REGISTRY} import (\n    InferenceFamily,\n    require_sdk,\n)\n"
    "X = (InferenceFamily, require_sdk)\n",
    "another package whose name begins alike": "from pipelex_acme.hub import Hub\nX = Hub\n",
    "a string that is no import": "X = 'pipelex.hub'\n",
    "import_module of the SDK": "import importlib\nX = importlib.import_module('acme.models')\n",
    "sys.modules of another module": "import sys\nX = sys.modules['acme']\n",
    "an own module called registrar": "from my_pkg import plugin as registrar\nX = registrar.AcmePlugin\n",
    "a relative import": "from . import closures\nfrom .plugin import AcmePlugin\n"
    "X = (closures.make_acme_worker, AcmePlugin)\n",
    "an ignore about the SDK": "import acme\nX: int = acme.x  # type: ignore[attr-defined]\n",
    "a private attribute of one's own": "class A:\n    _x = 1\n\n\nX = A._x\n",
    "a star import of one's own": "from my_pkg.worker import *\n",
}


@pytest.mark.parametrize(("text", "rules"), REACHES.values(), ids=REACHES)
def test_the_shape_is_found(text: str, rules: set[str], tmp_path: Path) -> None:
    write_example(tmp_path, helper(text))
    (checked,) = check([str(tmp_path)]).checked
    assert rules == {finding.rule for finding in checked.findings} - {"PX100"}


@pytest.mark.parametrize("text", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_the_near_miss_is_not(text: str, tmp_path: Path) -> None:
    write_example(tmp_path, helper(text))
    (checked,) = check([str(tmp_path)]).checked
    assert () == checked.findings
