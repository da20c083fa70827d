"""``pipelex trust``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.output import FAILED, OK, write_json, write_table
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from pipelex.config.locations import ConfigFolder
    from pipelex.config.trust import TrustRecord
    from pipelex.config.untrusted import Refusal
    from pipelex.exceptions import ConfigurationProblem


@click.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--list", "lists", is_flag=True, help="Show what is trusted.")
@click.option("--remove", "removes", is_flag=True, help="Trust it no longer.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def trust(*, path: Path | None, lists: bool, removes: bool, as_json: bool) -> int:
    """Trust the configuration of a project: PATH, or the one here.

    Prints which addresses, environment variables and drivers its .pipelex/ names, and records its path and content.
    A changed file must be trusted again. In CI and containers, name the project in PIPELEX_TRUST instead.

    \b
    JSON: folder, files{name: sha256}, effects[] {file, line, key, effect}; with --list: trusted[] {folder, files,
    state (trusted, changed, missing)}; with --remove: folder, removed.
    """  # noqa: D301 - click's mark for lines that stay as they are
    if lists and (removes or path is not None):
        msg = "--list shows all: it goes with no PATH, and not with --remove."
        raise click.UsageError(msg)
    if lists:
        return _list(as_json=as_json)
    return _remove(path, as_json=as_json) if removes else _trust(path, as_json=as_json)


def _trust(path: Path | None, *, as_json: bool) -> int:
    from pipelex.config.locations import FOLDER, unsafe_reason
    from pipelex.config.trust import record_trust
    from pipelex.exceptions import ConfigurationError

    folder = _folder(path)
    reason = unsafe_reason(folder)
    if reason is not None:
        reason += f". No record makes it safe: change that, or name {folder.path.parent} in PIPELEX_TRUST"
        raise ConfigurationError(file=str(folder.path), reason=reason)
    record, refusals = _examine(folder)
    record_trust(record, folder.path)
    if as_json:
        effects = [
            {"file": problem.file, "line": problem.line, "key": problem.key, "effect": refusal.effect}
            for refusal in refusals
            for problem in [refusal.problem]
        ]
        write_json({"folder": record.path, "files": record.files, "effects": effects})
        return OK
    for refusal in refusals:
        shown = refusal.problem._replace(file=f"{FOLDER}/{refusal.file.path.name}", reason=refusal.effect)
        write_text(str(shown))
    if not refusals:
        write_text("It names no address, no environment variable and no driver.")
    write_text(f"Trusted: {record.path} ({', '.join(record.files)}). A change must be trusted again.")
    return OK


def _examine(folder: ConfigFolder) -> tuple[TrustRecord, tuple[Refusal, ...]]:
    """Return the record of a folder and what its files would do, by the same bytes.

    Raises:
        ConfigurationError: A file is invalid.
    """
    from pipelex.config.locations import user_config_folders
    from pipelex.config.settings import Settings
    from pipelex.config.trust import record_of
    from pipelex.exceptions import report_problems

    invalid: list[ConfigurationProblem] = []
    folders = [folder, *user_config_folders()]
    settings = Settings.of_folders(folders, trusts=lambda other, _: other is not folder, problems=invalid)
    report_problems(invalid)
    files = [file for file in settings.files if file.path.parent == folder.path]
    return record_of(folder, files), settings.refusals


def _remove(path: Path | None, *, as_json: bool) -> int:
    from pipelex.config.locations import FOLDER
    from pipelex.config.trust import forget_trust

    folder = path or _folder(None).path
    is_removed = forget_trust(folder) or forget_trust(folder / FOLDER)
    if as_json:
        write_json({"folder": str(folder), "removed": is_removed})
    else:
        write_text(f"{'Not trusted any more' if is_removed else 'It was not trusted'}: {folder}")
    return OK if is_removed else FAILED


def _list(*, as_json: bool) -> int:
    from pipelex.config.trust import trust_records

    rows = [(record, _state(record)) for record in trust_records()]
    if as_json:
        write_json({"trusted": [{"folder": row.path, "files": row.files, "state": state} for row, state in rows]})
    else:
        write_table(("FOLDER", "FILES", "STATE"), [(row.path, ", ".join(row.files), state) for row, state in rows])
    return OK


def _state(record: TrustRecord) -> str:
    from pipelex.config.locations import ConfigFolder
    from pipelex.config.trust import record_of

    folder = ConfigFolder(Path(record.path), is_trusted=False)
    if not folder.files:
        return "missing"
    return "trusted" if record_of(folder) == record else "changed"


def _folder(path: Path | None) -> ConfigFolder:
    """Return the configuration folder that is meant: of a project, the folder itself, or the one of a file in it.

    Raises:
        click.BadParameter: There is none.
    """
    from pipelex.config.locations import FOLDER, ConfigFolder, project_folder, resolved

    if path is None:
        found = project_folder()
        if found is None:
            msg = f"no {FOLDER}/ with configuration files is here or above, up to the repository's root"
            raise click.BadParameter(msg, param_hint="PATH")
        return found
    path = resolved(path)
    for candidate in (path / FOLDER, path, path.parent):
        folder = ConfigFolder(candidate, is_trusted=False)
        if folder.files and (candidate != path.parent or path in folder.files):
            return folder
    msg = f"there is no {FOLDER}/ with configuration files in {path}"
    raise click.BadParameter(msg, param_hint="PATH")
