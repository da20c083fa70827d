"""Commands that write files are killed between two of them, or ended by a signal: nothing half is left, and no rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.config.locations import FILE_NAMES
from pipelex.spi.files import STAGING_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are ended by signals")

KILLED_BETWEEN_RENAMES = """\
import os, signal, sys
from pathlib import Path
from pipelex.cli.main import main

rename, done = Path.replace, []

def killed(self, target):
    if done:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(target)
    return rename(self, target)

Path.replace = killed
sys.exit(main(sys.argv[1:]))
"""
WAITING_IN_THE_MIDDLE = """\
import sys, time
from pathlib import Path
from pipelex.cli.written_files import staged_files

with staged_files(Path(sys.argv[1]), overwrite=False) as files:
    files.add("half.txt").write_text("half", encoding="utf-8")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_an_init_that_was_killed_is_finished_by_the_next_one(tmp_path: Path) -> None:
    command = ["init", "-b", "openai", "--dir", str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", KILLED_BETWEEN_RENAMES, *command], check=False)
    assert -signal.SIGKILL == killed.returncode
    assert 1 == len(set(FILE_NAMES) & {path.name for path in (tmp_path / ".pipelex").iterdir()})
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from pipelex.cli.main import main; sys.exit(main())", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (1, True) == (done.returncode, "it exists already" in done.stderr)
    assert set(FILE_NAMES) == {path.name for path in (tmp_path / ".pipelex").iterdir()}
    assert [".pipelex"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_a_command_leaves_no_staged_files(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", WAITING_IN_THE_MIDDLE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        assert "ready\n" == child.stdout.readline()
        assert [path.name.startswith(STAGING_PREFIX) for path in tmp_path.iterdir()] == [True]
        child.send_signal(number)
        assert 0 != child.wait(timeout=60)
    assert [] == list(tmp_path.iterdir())
