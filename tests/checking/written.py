"""The rules' sample plugin on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import SAMPLE

if TYPE_CHECKING:
    from pathlib import Path


def write_example(folder: Path, files: dict[str, str]) -> None:
    """Write the sample with some files laid over it.

    Args:
        folder: Where to.
        files: The files that replace, or are added to, those of the sample.
    """
    for name, text in {**SAMPLE, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
