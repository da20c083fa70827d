"""The command line in odd surroundings: without a standard stream, on a full disk, in a folder that is gone."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.testing import samples
from tests.acme.environment import write_distribution
from tests.plugins.shapes import Plugin, installed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="shells, FIFOs and /dev/full are POSIX")
PIPELEX = f"{sys.executable} -m pipelex"


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in a folder."""
    environment = {**os.environ, "HOME": str(folder), "PIPELEX": PIPELEX}
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelex", "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("pipelex ")


@posix
@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_standard_stream_is_no_fault(tmp_path: Path, closing: str) -> None:
    done = shell(f"$PIPELEX plugins list {closing}", tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    (tmp_path / "a.pdf").write_bytes(samples.pdf("closed"))
    assert 0 == shell(f"$PIPELEX extract -m pypdfium2 a.pdf {closing}", tmp_path).returncode
    (tmp_path / "rows.csv").write_text("file\na.pdf\n", encoding="utf-8")
    asked = "map rows.csv --family extract --document-column file -m pypdfium2 -o out.jsonl"
    assert 0 == shell(f"$PIPELEX {asked} {closing}", tmp_path).returncode


NOISY = """
import atexit
import os
import subprocess
import threading

from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.plugins.inference_backend_registry import InferenceFamily


def print_in_every_way():
    print("NOISE")
    os.write(1, b"NOISE")
    subprocess.run(["echo", "NOISE"])


class Worker(LLMWorkerAbstract):
    async def _gen_text(self, job):
        print_in_every_way()
        return InferenceResult(content="blue")


def make_worker(*, inference_model, backend, sdk_clients, reporting_delegate):
    print_in_every_way()
    return Worker(inference_model=inference_model, reporting_delegate=reporting_delegate)


class Noisy:
    name = "noisy"
    targets_api = 1

    def register(self, registrar):
        print_in_every_way()
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="noisy", make_worker=make_worker)


atexit.register(print_in_every_way)
threading.Timer(0.2, print_in_every_way).start()
print_in_every_way()
"""


@posix
@pytest.mark.parametrize(
    ("command", "answered"),
    [("llm hi -m noisy/m --json", {"text": "blue"}), ("plugins list --json", {"findings": []})],
)
def test_nothing_that_a_plugin_prints_gets_between_a_program_and_the_json(
    tmp_path: Path, command: str, answered: dict[str, object]
) -> None:
    write_distribution(tmp_path, name="noisy", entry_points="[pipelex.plugins]\nnoisy = noise:Noisy\n", noise=NOISY)
    (tmp_path / ".pipelex").mkdir()
    (tmp_path / ".pipelex" / "pipelex.toml").write_text('[backends.noisy.llm]\nsdk = "noisy"\n')
    done = shell(f"PIPELEX_HOME=.pipelex PYTHONPATH=. $PIPELEX {command}", tmp_path)
    assert 0 == done.returncode, done.stderr
    assert answered.items() <= json.loads(done.stdout).items()
    assert "NOISE" in done.stderr


@posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("command", ["plugins list", "--help", "plugins list --json"])
def test_a_full_disk_is_named_as_such(tmp_path: Path, command: str) -> None:
    done = shell(f"$PIPELEX {command} > /dev/full", tmp_path)
    assert 1 == done.returncode
    assert "No space left on device" in done.stderr
    assert "fault in the code" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@posix
def test_a_working_directory_that_is_gone_is_named_as_such_or_not_missed(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(samples.pdf("gone"))
    begin = "mkdir gone && cd gone && rmdir ../gone && $PIPELEX"
    done = shell(f"{begin} extract -m pypdfium2 {tmp_path}/a.pdf", tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    for command in ("plugins list", "doctor", "extract a.pdf", "init"):
        done = shell(f"{begin} {command}", tmp_path)
        assert "fault in the code" not in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("fault", "name", "words"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", ".pipelex"),
            "SystemFaultError",
            ".pipelex: Permission denied",
        ),
        (OSError(errno.ELOOP, "Too many levels of symbolic links", "x"), "SystemFaultError", "x: Too many levels"),
        (OSError(errno.ENOTDIR, "Not a directory", "x"), "SystemFaultError", "x: Not a directory"),
        (OSError(errno.ENOSPC, "No space left on device"), "SystemFaultError", "No space left on device"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "UnexpectedError", "a fault in the code there"),
    ],
)
def test_what_the_system_refuses_is_no_fault_of_the_code(
    terminal: Terminal, fault: OSError, name: str, words: str
) -> None:
    def fail(argv: object) -> int:
        raise fault

    terminal.install(
        installed(Plugin("fails", register=lambda r: r.add_command(name="fails", help="Fail.", run=fail)), "fails", "d")
    )
    outcome = terminal.run("fails", "--json")
    error = json.loads(outcome.err.splitlines()[-1])
    assert (1, name) == (outcome.code, error["error"])
    assert words in error["message"]


@posix
def test_what_is_no_regular_file_is_read_as_standard_input_is(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(samples.pdf("pipe"))
    for command in (
        "mkfifo pipe; cat a.pdf > pipe & $PIPELEX extract -m pypdfium2 pipe",
        "cat a.pdf | $PIPELEX extract -m pypdfium2 /dev/stdin",
        "cat a.pdf | $PIPELEX extract -m pypdfium2 -",
    ):
        done = shell(command, tmp_path)
        assert (0, "pipe page 1") == (done.returncode, done.stdout.splitlines()[0].strip()), done.stderr


def test_an_empty_name_is_named(terminal: Terminal) -> None:
    outcome = terminal.run("extract", "")
    assert 1 == outcome.code
    assert "'' is not the name of a file" in outcome.err


def test_two_documents_of_one_name_get_into_each_others_way_only_as_files(terminal: Terminal) -> None:
    for folder in ("2023", "2024"):
        terminal.write(f"{folder}/report.pdf", "x")
    names = ("2023/report.pdf", "2024/report.pdf")
    assert 0 == terminal.run("extract", *names).code
    assert list(names) == [row["file"] for row in terminal.run("extract", *names, "--json").data["documents"]]
    outcome = terminal.run("extract", *names, "--out", "o", "--json")
    assert 2 == outcome.code
    assert "have the same name" in json.loads(outcome.err.splitlines()[-1])["message"]
    assert 2 == terminal.run("extract", "-", "-", stdin="x").code


def test_progress_is_drawn_on_standard_error_alone(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.write("a.pdf", "x")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    quiet = terminal.run("extract", "a.pdf", "--json")
    assert "a.pdf" in quiet.err
    assert json.loads(quiet.out)
