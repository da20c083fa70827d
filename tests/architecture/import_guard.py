"""Runs Python in a process of its own, with an import blocker, and reports what it imported and wanted to import."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_GUARD = """
import sys
ModuleType = type(sys)
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == blocked or name.startswith(blocked + ".") for blocked in BLOCKED):
            attempts.append(name)
            raise ModuleNotFoundError("blocked by the guard: " + name, name=name)
attempts = []
sys.path.insert(0, SRC)
def modules():  # each once: an alias such as importlib._bootstrap is no further module, nor is a class in disguise
    return {{id(module): name for name, module in sys.modules.items() if isinstance(module, ModuleType)}}
before = modules()
sys.meta_path.insert(0, Blocker())
{code}
loaded = sorted(name for key, name in modules().items() if key not in before)
import json
print(json.dumps({{"loaded": loaded, "attempts": attempts}}))
"""


class Reach(NamedTuple):
    """What a piece of code imports.

    Attributes:
        loaded: The modules that it loads, beyond those that the interpreter starts with.
        attempts: The blocked modules that it wanted.
    """

    loaded: frozenset[str]
    attempts: tuple[str, ...]

    def of(self, *packages: str) -> list[str]:
        """Return the loaded modules that are, or are in, one of some packages."""
        return sorted(name for name in self.loaded if any(f"{name}.".startswith(f"{package}.") for package in packages))


def reach_of(code: str, *, src: Path, blocked: Collection[str]) -> Reach:
    """Run code against the sources in ``src``, with some modules made impossible to import."""
    script = f"SRC = {str(src)!r}\nBLOCKED = {sorted(blocked)!r}\n" + _GUARD.format(code=code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    report = json.loads(done.stdout.splitlines()[-1])
    return Reach(loaded=frozenset(report["loaded"]), attempts=tuple(report["attempts"]))
