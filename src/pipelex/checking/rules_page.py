"""The rules as text: the page ``docs/rules.md``, which ``python -m codegen`` writes, and what ``--explain`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import SAMPLE
from pipelex.checking.rules.catalogue import GROUPS, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.rules.rule import Rule

INTRODUCTION = """\
# The rules of `pipelex plugins check`

Each rule has an id, a reason and two examples: one that it finds, and one that looks alike and is legal. The same text
comes from `pipelex plugins check --explain ID`.

The examples are changes to one small [sample plugin](#the-sample-plugin), shown as differences. The tests run every one
of them.

## What is checked against what

- The check sees the target's own modules, the published stubs of one version of the plugin API, and the standard
  library. Every third-party package is `Any`, whether it is installed or not, so the verdict is the same on every
  machine. Your own mypy run, with the SDK's types, is still worth having.
- It is `mypy --strict` less four flags that would depend on the SDK: `disallow_subclassing_any`,
  `disallow_untyped_decorators`, `warn_return_any` and `warn_unused_ignores`. An ignore that only the SDK's types make
  necessary is not reported, needed or not. Configuration files and `MYPYPATH` are not read.
- **The check loads what it checks**: it imports the plugin and calls `register`, in a process of its own, with no
  package importable but the plugin's, and watches it (PX302 to PX305). That is no protection against hostile code: it
  runs as your user. Check code that you do not trust in a container, or with `--no-load`: then nothing is loaded, PX302
  to PX305 are left out, and the last line of the report names them.
- A target that holds no plugin is never clean: exit code 2.
- A verdict is stored in your cache folder (below `PIPELEX_CACHE_DIR`, where that is set) and told again while all that
  it was found in is the same: the source, the metadata, the stubs, the rules, mypy, Python, and each file that the
  plugin reads while it is loaded. That a file merely exists is not noticed.

## What `register` may consist of

Calls of the registrar's menu methods, and what it takes to have the values for them: literals, names, f-strings,
comprehensions, conditions, loops over such values, `functools.partial`, a few builtins (`dict`, `enumerate`, `sorted`,
`zip` and the like), methods of strings and literal tables, and the plugin's own functions and classes that do no more
than build a value. It may hand the registrar to a function or method of the plugin's own that keeps to the same rules.
No import, no `with`, no `try`, nothing of another module's, no attribute set. What reading does not show, the sandbox
does.

## What it does not see

A name that is put together at run time (`import_module(prefix + name)` where `prefix` is no literal), and a plugin that
sets out to deceive the check from within: the check helps authors, and does not defend against them.

## Waivers

A finding is waived by a comment on its line, or alone on the line above: `# pipelex: allow[PX201] the reason`. A waiver
that waives nothing, names no rule or gives no reason is a finding. A note never changes the exit code.
"""


def page() -> str:
    """Return the whole page, without the header of a generated file."""
    parts = [INTRODUCTION]
    for prefix, title in GROUPS.items():
        rules = [rule for rule in RULES if rule.id.startswith(prefix)]
        parts.append(f"\n## {title}\n")
        parts.append("\n| rule | name | severity |\n|---|---|---|\n")
        parts += [f"| [{rule.id}](#{rule.id.lower()}) | {rule.name} | {rule.severity} |\n" for rule in rules]
        for rule in rules:
            parts.append(f"\n### {rule.id}\n\n**{rule.name}**" + f"{' (a note)' if rule.severity == 'note' else ''}. ")
            parts.append(f"{rule.reason}\n\nExpected: {_sentence(rule.expected)} {rule.fix}\n")
            parts.append(f"\nFound:\n\n```diff\n{_diff(rule.positive)}```\n")
            parts.append(f"\nLegal:\n\n```diff\n{_diff(rule.near_miss)}```\n")
    parts.append("\n## The sample plugin\n")
    for name, text in SAMPLE.items():
        if text:
            parts.append(f"\n`{name}`\n\n```{'toml' if name.endswith('.toml') else 'python'}\n{text}```\n")
    return "".join(parts)


def explanation(rule: Rule) -> str:
    """Return what ``--explain`` prints about a rule.

    Args:
        rule: The rule.
    """
    lines = [f"{rule.id} {rule.name} ({rule.severity})", "", rule.reason, ""]
    lines += [f"expected: {rule.expected}", f"fix:      {rule.fix}", ""]
    lines += ["found:", *_indented(rule.positive), "", "legal:", *_indented(rule.near_miss)]
    return "\n".join([*lines, "", f"see {rule.page}"])


def _indented(files: dict[str, str]) -> list[str]:
    return [f"    {line}" for line in _diff(files).splitlines()]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _diff(files: dict[str, str]) -> str:
    """Show how an example differs from the sample."""
    return "".join(line for name, text in files.items() for line in _file_diff(name, text))


def _file_diff(name: str, text: str) -> Iterator[str]:
    from difflib import ndiff

    yield f"# {name}\n"
    old = SAMPLE.get(name)
    if old is None:
        yield from (f"+{line}" for line in text.splitlines(keepends=True))
        return
    lines = [line for line in ndiff(old.splitlines(), text.splitlines()) if not line.startswith("?")]
    near = {other for n, line in enumerate(lines) if line[0] in "+-" for other in range(n - 1, n + 2)}
    for number, line in enumerate(lines):
        if number in near:
            yield f"{line[0]}{line[2:]}\n"
