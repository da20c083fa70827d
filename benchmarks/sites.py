"""Folders like ``site-packages``, full of distributions that announce plugins, or something else, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PLUGIN = """\
class Plugin:
    name = "{name}"
    targets_api = 1

    def register(self, registrar):
        from pipelex.plugins.inference_backend_registry import InferenceFamily

        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="{name}", make_worker=make_worker)


def make_worker(*, inference_model, backend, sdk_clients, reporting_delegate):
    raise NotImplementedError
"""
_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: Nothing\n" + "Classifier: Of :: None\n" * 20
_RECORD = "{name}/__init__.py,sha256=Ap8Sde6Ap8Sde6Ap8Sde6Ap8Sde6Ap8Sde6,0\n"
_OTHERS_WITH_ENTRY_POINTS = 3  # one in so many has a command, as in a site of that size


def make_site(folder: Path, *, plugins: int, others: int = 0) -> Path:
    """Fill a folder with distributions and return it.

    Args:
        folder: The folder; it is made.
        plugins: How many announce a plugin.
        others: How many do not.
    """
    folder.mkdir(parents=True)
    for number in range(plugins):
        name = f"bench_plugin_{number:04}"
        (folder / f"{name}.py").write_text(_PLUGIN.format(name=name.replace("_", "-")), encoding="utf-8")
        entry = f"[pipelex.plugins]\n{name.replace('_', '-')} = {name}:Plugin\n"
        _distribution(folder, name, entry)
    for number in range(others):
        name = f"other_{number:04}"
        has_command = number % _OTHERS_WITH_ENTRY_POINTS == 0
        _distribution(folder, name, f"[console_scripts]\n{name} = {name}:main\n" if has_command else None)
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    return folder


def _distribution(folder: Path, name: str, entry_points: str | None) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(_METADATA.format(name=name), encoding="utf-8")
    (info / "RECORD").write_text(_RECORD.format(name=name) * 40, encoding="utf-8")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", encoding="utf-8")
    (info / "INSTALLER").write_text("pip\n", encoding="utf-8")
    if entry_points is not None:
        (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
