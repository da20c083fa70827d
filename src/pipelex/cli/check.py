"""``pipelex plugins check``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipelex.cli.output import MISUSED, OK, write_error, write_json
from pipelex.terminal import is_terminal, write_status, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS = ("text", "json", "github", "sarif")
_MANY = 4


@click.command("check")
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option("--api", "api_version", type=click.IntRange(min=1), help="Check against this version of the plugin API.")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True, help="How to write it."
)
@click.option("--json", "form", flag_value="json", help="Write JSON: short for --format json.")
@click.option("--no-load", is_flag=True, help="Load no plugin: keep to the rules that only read.")
@click.option("--explain", metavar="ID", help="Explain a rule, by its id or name, and exit.")
def check(targets: tuple[str, ...], api_version: int | None, form: str, no_load: bool, explain: str | None) -> int:
    """Check plugins against the published plugin API.

    A target is a folder, a .py file, an installed distribution, an entry-point name, or builtin:NAME.

    A plugin is loaded and registered in a process of its own, which is watched, and is no protection against hostile
    code: it runs as your user. Check code that you do not trust in a container, or with --no-load, which only reads.

    Exits with 0 where all is clean, 1 where something was found, 2 where a target could not be checked or holds no
    plugin.
    """
    if explain is not None:
        return _explain(explain, as_json=form in ("json", "sarif"))
    if not targets:
        msg = "Missing argument 'TARGET...'."
        raise click.UsageError(msg)
    from pipelex.checking.check import check as run
    from pipelex.checking.report import rendered
    from pipelex.exceptions import PipelexError

    progress, finish = _progress(len(targets))
    try:
        result = run(targets, api_version=api_version, loads=not no_load, progress=progress)
    except PipelexError as exc:  # no verdict on anything: the extra is missing, or there are no such stubs
        finish()
        write_error(exc, as_json=form in ("json", "sarif"))
        return MISUSED
    finish()
    text = rendered(result, form)
    if text:
        write_text(text)
    return result.exit_code


def _explain(wanted: str, *, as_json: bool) -> int:
    from pipelex.checking.rules.catalogue import RULES, rule_named
    from pipelex.checking.rules_page import explanation

    rule = rule_named(wanted)
    if rule is None:
        msg = f"there is no rule '{wanted}'; there are {', '.join(one.id for one in RULES)}"
        raise click.BadParameter(msg, param_hint="--explain")
    if as_json:
        keys = ("id", "name", "severity", "reason", "expected", "fix", "page")
        write_json({"rule" if key == "id" else key: getattr(rule, key) for key in keys})
    else:
        write_text(explanation(rule))
    return OK


def _progress(count: int) -> tuple[Callable[[str], None], Callable[[], None]]:
    """Show on a terminal what is under way, on one line that is wiped at the end; only where there is much to do."""
    if count < _MANY or not is_terminal(sys.stderr):
        return (lambda _: None), (lambda: None)
    return write_status, write_status
