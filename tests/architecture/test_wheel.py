"""What we ship: the wheel alone, in an empty environment, is enough; the generator and the tests stay at home."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.acme.environment import build_wheel, create_venv, pip
from tests.architecture.tree import ROOT, SPEC

if TYPE_CHECKING:
    from pathlib import Path

PDF = ROOT / "demo" / "night-train.pdf"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment that holds the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    create_venv(folder)
    pip(folder, "install", str(wheel))
    return folder / "bin"


def pipelex(bin_folder: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command in an empty folder, with an empty home."""
    return subprocess.run(
        [bin_folder / "pipelex", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def faults_of_contents(names: set[str]) -> list[str]:
    """Return what a wheel lacks and what it should not hold."""
    data = ("py.typed", "spi/spi.lock", "config/defaults/pipelex.toml", "config/defaults/models.toml")
    stubs = (module.replace(".", "/") for module in {symbol.partition(":")[0] for symbol in SPEC["symbols"]})
    wanted = {f"pipelex/{name}" for name in data} | {f"pipelex/spi/v{SPEC['api_version']}/{stub}.pyi" for stub in stubs}
    strangers = {name for name in names if not re.match(r"pipelex(/|-[\d.]+\.dist-info/)", name)}
    leftovers = {name for name in names if name.endswith((".pyc", ".j2", ".part"))}
    return [
        *(f"lacks {name}" for name in sorted(wanted - names)),
        *(f"holds {name}" for name in sorted(strangers | leftovers)),
    ]


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    assert [] == faults_of_contents(set(zipfile.ZipFile(wheel).namelist()))


def test_what_a_wheel_lacks_and_what_it_should_not_hold_is_found(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    stub = "pipelex/spi/v1/pipelex/plugins/contract.pyi"
    planted = names - {"pipelex/py.typed", stub} | {"codegen/cli.py", "tests/__init__.py", "pipelex/boot.pyc"}
    assert [
        "lacks pipelex/py.typed",
        f"lacks {stub}",
        "holds codegen/cli.py",
        "holds pipelex/boot.pyc",
        "holds tests/__init__.py",
    ] == faults_of_contents(planted)


def test_the_wheel_names_its_licence_and_every_extra(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    lines = archive.read(metadata).decode("utf-8").splitlines()
    assert "License-Expression: MIT" in lines
    extras = {line.removeprefix("Provides-Extra: ") for line in lines if line.startswith("Provides-Extra: ")}
    of_builtins = {builtin["extra"] for builtin in SPEC["builtin"] if "extra" in builtin}
    assert of_builtins | set(SPEC.get("extras", {})) == extras


def differences(wheel: Path, again: Path) -> list[str]:
    """Return the files that one of two wheels lacks, or that differ in content."""
    one, other = (zipfile.ZipFile(path) for path in (wheel, again))
    digests = [{info.filename: info.CRC for info in archive.infolist()} for archive in (one, other)]
    return sorted({name for name, _ in digests[0].items() ^ digests[1].items()})


def test_the_sdist_builds_and_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, capture_output=True, check=True)
    [sdist] = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    again = build_wheel(tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path)
    assert [] == differences(wheel, again)


def test_a_wheel_that_lacks_a_file_or_holds_another_text_is_not_the_same(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(tmp_path / "again.whl", "w") as planted:
        for name in source.namelist():
            if name != "pipelex/py.typed":
                planted.writestr(name, b"" if name == "pipelex/hub.py" else source.read(name))
    assert ["pipelex/hub.py", "pipelex/py.typed"] == differences(wheel, tmp_path / "again.whl")


def test_the_wheel_alone_lists_its_plugins(bin_folder: Path, tmp_path: Path) -> None:
    listed = pipelex(bin_folder, "plugins", "list", "--json", cwd=tmp_path)
    assert (0, "") == (listed.returncode, listed.stderr)
    rows = json.loads(listed.stdout)["plugins"]
    assert {builtin["name"]: "active" for builtin in SPEC["builtin"]} == {row["name"]: row["status"] for row in rows}


def test_the_wheel_alone_turns_a_pdf_into_text(bin_folder: Path, tmp_path: Path) -> None:
    extracted = pipelex(bin_folder, "extract", str(PDF), cwd=tmp_path)
    assert 0 == extracted.returncode, extracted.stderr
    assert "It left Vienna at 21:25 with eleven coaches and one dining car." in extracted.stdout
    assert "Trieste 07:58, in sunshine." in extracted.stdout


def test_the_wheel_writes_nothing_unasked(bin_folder: Path, tmp_path: Path) -> None:
    for arguments in (("--help",), ("plugins", "list"), ("extract", str(PDF))):
        pipelex(bin_folder, *arguments, cwd=tmp_path)
    assert [] == list(tmp_path.iterdir())
