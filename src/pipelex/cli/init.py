"""``pipelex init``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from pipelex.cli.inputs import stdin_is_terminal
from pipelex.cli.output import OK, write_json, write_table
from pipelex.cli.session import trust_what_was_written
from pipelex.generated.families import FAMILIES
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from click.shell_completion import CompletionItem

    from pipelex.config.starter import StarterBackend
    from pipelex.diagnosis.report import Diagnosis


class Choice(NamedTuple):
    """A backend that can be chosen, and what it lacks here.

    Attributes:
        backend: The backend.
        unset: The environment variables that it takes values from and that are not set.
        missing: The packages that it needs and that are not installed.
        installs: The commands that bring them.
    """

    backend: StarterBackend
    unset: tuple[str, ...]
    missing: tuple[str, ...]
    installs: tuple[str, ...]


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from pipelex.config.starter import packaged_backends

    return [CompletionItem(name) for name in packaged_backends() if name.startswith(incomplete)]


@click.command()
@click.option(
    "-b", "--backend", "names", multiple=True, shell_complete=_complete, metavar="NAME", help="A backend. Repeatable."
)
@click.option("--all", "take_all", is_flag=True, help="Every backend that there is.")
@click.option(
    "--dir",
    "project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder that gets the .pipelex. Default: here. Your home's holds for all of your projects.",
)
@click.option("--force", is_flag=True, help="Replace files of the same names.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; needs --backend or --all.")
def init(*, names: tuple[str, ...], take_all: bool, project: Path, force: bool, as_json: bool) -> int:
    """Write a project's .pipelex/: pipelex.toml with the backends that you choose, models.toml with examples.

    At a terminal you choose from a list, which says what each backend lacks. The first backend chosen that has a
    model of a family gives its default model, except where one works already that needs no key and no extra.
    No key is written: the files name environment variables.
    """
    from pipelex.cli.written_files import staged_files
    from pipelex.config.locations import FILE_NAMES, FOLDER
    from pipelex.config.starter import starter_files
    from pipelex.spi.files import finish_interrupted

    folder = Path(os.path.expanduser(project)) / FOLDER
    finish_interrupted(folder)
    if not force:
        _refuse_taken(folder / name for name in FILE_NAMES)
    choices = _choices()
    if take_all:
        names = tuple(choices)
    elif not names:
        names = _ask(choices, may_ask=not as_json and stdin_is_terminal())
    chosen = [choices[name] for name in _known(names, choices)]
    texts = starter_files([choice.backend for choice in chosen])
    with staged_files(folder, overwrite=force) as files:
        for name, text in texts.items():
            files.add(name).write_text(text, encoding="utf-8", newline="\n")
        written = files.place()
    trust_what_was_written(folder)
    steps = list(_steps(chosen, project))
    if as_json:
        write_json({"files": list(map(str, written)), "backends": list(map(_as_data, chosen)), "next": steps})
    else:
        _show(written, chosen, steps)
    return OK


def _refuse_taken(paths: Iterable[Path]) -> None:
    """Refuse before anybody is asked anything.

    Raises:
        OutputFileError: One of the files is there already.
    """
    from pipelex.exceptions import OutputFileError

    for path in paths:
        if path.exists():
            raise OutputFileError(file=str(path), reason="it exists already. Edit it, or replace it with --force")


def _choices() -> dict[str, Choice]:
    """Return what can be chosen: the packaged backends, then the sdks of installed plugins that none of them uses."""
    from pipelex.config.starter import packaged_backends
    from pipelex.diagnosis.diagnose import diagnose

    found = diagnose()
    served = {report.name: report.sdks for report in found.backends}
    choices = {name: _choice(backend, found, served.get(name, ())) for name, backend in packaged_backends().items()}
    for backend, sdks in _backends_of_plugins(found):
        choices.setdefault(backend.name, _choice(backend, found, sdks))
    return choices


def _backends_of_plugins(found: Diagnosis) -> Iterator[tuple[StarterBackend, tuple[str, ...]]]:
    from pipelex.config.starter import StarterBackend

    for plugin in found.plugins:
        sdks: dict[str, list[InferenceFamily]] = {}
        for claim in plugin.claims if not plugin.is_disabled else ():
            if claim.sdk is not None and claim.family in set(InferenceFamily):  # what a source states may be wrong
                sdks.setdefault(claim.sdk, []).append(InferenceFamily(claim.family))
        for sdk, families in sdks.items():
            yield StarterBackend.of_sdk(sdk, tuple(families)), tuple(f"{family}/{sdk}" for family in families)


def _choice(backend: StarterBackend, found: Diagnosis, sdks: Collection[str]) -> Choice:
    from pipelex.diagnosis.plugins import install_line, missing_sdks

    lacks: dict[str, str] = {}
    for builtin in found.builtins:
        if builtin.install is not None and not {str(claim) for claim in builtin.claims}.isdisjoint(sdks):
            lacks |= dict.fromkeys(builtin.missing, builtin.install)
    for plugin in found.plugins:
        if not {str(claim) for claim in plugin.claims}.isdisjoint(sdks):
            lacks |= {spec: install_line(spec, extra) for spec, extra in missing_sdks(plugin)}
    unset = tuple(variable for variable in backend.variables if not os.environ.get(variable))
    return Choice(backend, unset, tuple(lacks), tuple(dict.fromkeys(lacks.values())))


def _known(names: Sequence[str], choices: Mapping[str, Choice]) -> Iterator[str]:
    """Yield each name once.

    Raises:
        click.BadParameter: There is no such backend.
    """
    from difflib import get_close_matches

    for name in dict.fromkeys(names):
        if name not in choices:
            near = " or ".join(f"'{other}'" for other in get_close_matches(name.lower(), choices))
            msg = f"there is no backend '{name}'.{f' Did you mean {near}?' if near else ''} All: {', '.join(choices)}"
            raise click.BadParameter(msg, param_hint="--backend")
        yield name


def _ask(choices: Mapping[str, Choice], *, may_ask: bool) -> tuple[str, ...]:
    """Let the user choose.

    Raises:
        click.UsageError: There is nobody to ask.
    """
    if not may_ask:
        msg = f"Which backends? Give --backend, once or several times, or --all: {', '.join(choices)}"
        raise click.UsageError(msg)
    numbers = {str(number): name for number, name in enumerate(choices, start=1)}
    rows = [(number, name, *_cells(choices[name])) for number, name in numbers.items()]
    write_table(("", "BACKEND", "SERVES", "VARIABLES", "PACKAGES"), rows)

    def read(text: str) -> tuple[str, ...]:
        words = text.replace(",", " ").split()
        if not words:
            msg = "name at least one"
            raise click.BadParameter(msg)
        return tuple(_known([numbers.get(word, word) for word in words], choices))

    ready: dict[tuple[str, ...], str] = {}  # of those that share a key, the first
    for name, choice in choices.items():
        if choice.backend.variables and not choice.unset:
            ready.setdefault(choice.backend.variables, name)
    chosen: tuple[str, ...] = click.prompt(
        "Backends, by number or name", default=",".join(ready.values()) or None, value_proc=read
    )
    return chosen


def _cells(choice: Choice) -> tuple[str, ...]:
    variables = choice.backend.variables
    key = f"set: {', '.join(variables)}" if not choice.unset else f"not set: {', '.join(choice.unset)}"
    needs = f"missing: {', '.join(choice.missing)}" if choice.missing else "installed"
    return ", ".join(choice.backend.families), key if variables else "", needs


def _steps(chosen: Sequence[Choice], project: Path) -> Iterator[str]:
    """Yield the commands that come next; the last one is a first call."""
    import shlex

    from pipelex.config.starter import ANY_MODEL, packaged_settings

    if project.resolve() != Path.cwd():
        yield f"cd {shlex.quote(str(project))}"
    yield from dict.fromkeys(install for choice in chosen for install in choice.installs)
    yield from dict.fromkeys(f"export {variable}=..." for choice in chosen for variable in choice.unset)
    first = chosen[0].backend
    family = first.families[0]
    model = first.model(family, packaged_settings()) or f"{first.name}/{ANY_MODEL}"
    yield f"{FAMILIES[family].first_call} --model {model}"


def _as_data(choice: Choice) -> dict[str, object]:
    return {
        "name": choice.backend.name,
        "families": [family.value for family in choice.backend.families],
        "unset_variables": list(choice.unset),
        "missing": list(choice.missing),
    }


def _show(written: Sequence[Path], chosen: Sequence[Choice], steps: Sequence[str]) -> None:
    for path in written:
        write_text(f"Wrote {path}")
    write_text("They hold no key, so they can be shared.\n")
    columns = ("BACKEND", "SERVES", "VARIABLES", "PACKAGES")
    write_table(columns, [(choice.backend.name, *_cells(choice)) for choice in chosen])
    write_text("\nNext:")
    for step in steps:
        write_text(f"  {step}")
