"""The files of the small project, where the generator can be run on them: for the tests and a benchmark."""

from __future__ import annotations

from pathlib import Path

from codegen.family_parts import templates_of
from codegen.spec import parse_spec

_SOURCE = Path(__file__).parent / "small_project"


def write_small_project(root: Path) -> None:
    """Write the small project, as it is committed, with nothing generated yet.

    Args:
        root: Its folder.
    """
    files = {path.relative_to(_SOURCE).with_suffix(""): path.read_bytes() for path in _SOURCE.rglob("*.txt")}
    for family in parse_spec(files[Path("spi.toml")].decode()).spec.family:
        files[Path(f"src/pipelex/cli/{family.value}.py")] = f"def {family.value}() -> int:\n    return 0\n".encode()
        files |= dict.fromkeys(map(Path, templates_of(family)), b"")
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
