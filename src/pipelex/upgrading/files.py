"""The files of a plugin: written with the encoding, line ends, links and modes that they have, or refused."""

from __future__ import annotations

import io
import os
import stat
import tokenize
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from pipelex.spi.source_lines import source_lines
from pipelex.upgrading.errors import UpgradeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def read_text(path: Path) -> str:
    r"""Return the text of a file, each line ended by ``\n``.

    Args:
        path: A Python module or a TOML file.

    Raises:
        UpgradeError: It cannot be read, or is not in its encoding.
    """
    return "".join(f"{line}{_LINE_END[bool(end)]}" for line, end in map(_split, source_lines(_decoded(path)[0])))


_LINE_END = ("", "\n")


def _decoded(path: Path) -> tuple[str, str]:
    """Return the text of a file as it is, and its encoding."""
    try:
        content = path.read_bytes()
        if path.suffix == ".py":
            encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        else:
            encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8"
        return content.decode(encoding), encoding
    except (OSError, SyntaxError, UnicodeDecodeError) as exc:
        reason = f"it cannot be read ({type(exc).__name__}: {exc})"
        raise UpgradeError(target=str(path), reason=reason, fix="Correct it and run again") from exc


def _split(line: str) -> tuple[str, str]:
    bare = line.rstrip("\r\n")
    return bare, line[len(bare) :]


def encoded(path: Path, before: str, after: str) -> bytes:
    """Return the new content of a file: in its encoding, with its byte order mark, each line with the end that it had.

    Args:
        path: The file.
        before: Its text, as it was read.
        after: Its new text.

    Raises:
        UpgradeError: The file changed since it was read, or its encoding lacks a character of the new text.
    """
    text, encoding = _decoded(path)
    if read_text(path) != before:
        raise UpgradeError(target=str(path), reason="it changed while the upgrade ran", fix="Run again")
    try:
        return _with_line_ends(text, after).encode(encoding)
    except UnicodeEncodeError as exc:
        reason = f"its encoding, {encoding}, has no '{exc.object[exc.start]}', which the upgrade writes"
        raise UpgradeError(target=str(path), reason=reason, fix="Convert it to UTF-8 and run again") from exc


def _with_line_ends(old: str, new: str) -> str:
    """Return a text with the line ends of another: an unchanged line keeps its own, a new one takes its neighbour's."""
    before = [_split(line) for line in source_lines(old)]
    after = [_split(line) for line in source_lines(new)]
    usual = next((end for _, end in reversed(before) if end), "\n")
    ends = [end or usual for _, end in before]
    if len(set(ends)) > 1:
        matcher = SequenceMatcher(None, [line for line, _ in before], [line for line, _ in after], autojunk=False)
        old_ends, ends = ends, []
        for _, start, stop, first, last in matcher.get_opcodes():
            near = old_ends[start:stop] or old_ends[max(start - 1, 0) :][:1]
            ends += [near[min(place, len(near) - 1)] for place in range(last - first)]
    else:
        ends = [usual] * len(after)
    return "".join(line + (end if had_end else "") for (line, had_end), end in zip(after, ends, strict=True))


def demand_writable(contents: Mapping[Path, bytes], root: Path) -> None:
    """Raise where replacing a file would change more than its text.

    Args:
        contents: The new content of each file.
        root: The folder of the plugin.

    Raises:
        UpgradeError: A file is read-only, has several names, or is a link that leads out of the folder.
    """
    final: dict[str, Path] = {}
    for path, content in contents.items():
        state, real = path.stat(), os.path.realpath(path)
        if not state.st_mode & stat.S_IWUSR:
            raise _refused(path, "it is read-only", "Make it writable and run again")
        if state.st_nlink > 1:
            reason = f"it is one file under {state.st_nlink} names (hard links), which writing it would part"
            raise _refused(path, reason, "Upgrade the plugin's source folder instead, or make it a file of its own")
        if not real.startswith(os.path.realpath(root) + os.sep):
            raise _refused(path, f"a link leads to {real}, outside of the plugin's folder", "Upgrade it there")
        if contents[final.setdefault(real, path)] != content:
            reason = f"it and {final[real]} are one file, and the upgrade writes two different texts"
            raise _refused(path, reason, "Make them two files and run again")


def _refused(path: Path, reason: str, fix: str) -> UpgradeError:
    return UpgradeError(target=str(path), reason=reason, fix=fix)


def uncommitted(folder: Path, changed: Iterable[Path] = ()) -> list[str]:
    """Return the files of a folder that have changes git does not hold, so that it could not bring them back.

    Args:
        folder: The folder.
        changed: Files that are about to be written: of these, one that git ignores counts as well.

    Returns:
        Their paths in the repository; none where there is no git, or no repository.
    """
    written = [str(path) for path in changed]
    ignored = _status(folder, "--ignored", "--", *written) if written else []
    return list(dict.fromkeys([*_status(folder, "--", "."), *ignored]))


def _status(folder: Path, *arguments: str) -> list[str]:
    import subprocess

    # no monitor that the repository's own configuration names is started, and no lock is taken
    command = ["git", "-c", "core.fsmonitor=false", "--no-optional-locks", "-C", str(folder)]
    command += ["--literal-pathspecs", "status", "--porcelain", "-z", "--no-renames", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return []
    rows = done.stdout.decode("utf-8", "replace").split("\0") if done.returncode == 0 else []
    return [row[3:] for row in rows if row]
