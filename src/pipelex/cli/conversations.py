"""What the commands for conversations have in common: tools by name, parameters by name, conversations in files."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar

import click

from pipelex.plugins.raised import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from _typeshed import DataclassInstance

    from pipelex.cogt.llm.llm_job import LLMMessage
    from pipelex.cogt.llm.tools import PythonTool

ParamsT = TypeVar("ParamsT", bound="DataclassInstance")

tool_option: Callable[[Callable[..., int]], Callable[..., int]] = click.option(
    "--tool",
    "tools",
    multiple=True,
    metavar="MODULE:FUNCTION",
    help="A Python function that the model may call, imported from the working directory or the path. Repeatable.",
)
param_option: Callable[[Callable[..., int]], Callable[..., int]] = click.option(
    "--param", "named_params", multiple=True, metavar="NAME=VALUE", help="Any parameter of a job. Repeatable."
)

_BY_OTHER_OPTIONS = {"tools", "structured_output"}


def tools_named(names: Sequence[str]) -> list[PythonTool]:
    """Import the functions that ``--tool`` names. The working directory is searched first: the user named them.

    Raises:
        click.BadParameter: There is no such function, or it cannot be a tool.
    """
    return [_tool_named(name) for name in names]


def _tool_named(name: str) -> PythonTool:
    from importlib import import_module

    from pipelex.cogt.llm.tools import PythonTool

    module_name, _, path = name.partition(":")
    if not module_name or not path:
        msg = f"{name!r} is not MODULE:FUNCTION, as in my_tools:get_weather"
        raise click.BadParameter(msg, param_hint="--tool")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: object = import_module(module_name)
        for step in path.split("."):
            found = getattr(found, step)
        return PythonTool.of(found)  # type: ignore[arg-type]  # checked there
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # whatever the user's module raises: sys.exit(), too
        msg = f"{name}: {described(exc)}"
        raise click.BadParameter(msg, param_hint="--tool") from exc


def with_named(params: ParamsT, named: Sequence[str]) -> ParamsT:
    """Return the parameters of a job with those that ``--param`` names; a value is JSON, or else a text.

    Raises:
        click.BadParameter: There is no such parameter, or the value does not fit.
    """
    import json
    from dataclasses import fields, replace

    known = [field.name for field in fields(params) if field.name not in _BY_OTHER_OPTIONS]
    values: dict[str, object] = {}
    for pair in named:
        name, equals, text = pair.partition("=")
        if not equals or name not in known:
            msg = f"{pair!r} is not NAME=VALUE with one of {', '.join(known)}"
            raise click.BadParameter(msg, param_hint="--param")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    if not values:
        return params
    from pydantic import TypeAdapter, ValidationError

    try:
        made = TypeAdapter(type(params)).validate_python(values)
    except ValidationError as exc:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in exc.errors(include_url=False))
        raise click.BadParameter(problems, param_hint="--param") from exc
    return replace(params, **{name: getattr(made, name) for name in values})


def read_conversation(path: Path) -> tuple[LLMMessage, ...]:
    """Read a conversation from a file.

    Raises:
        InputFileError: The file cannot be read, or is no conversation.
    """
    from pipelex.cogt.exceptions import ConversationFormatError
    from pipelex.cogt.llm.conversation_json import conversation_from_json
    from pipelex.exceptions import InputFileError

    try:
        return conversation_from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ConversationFormatError) as exc:
        raise InputFileError(file=str(path), reason=f"{path}: {exc}") from exc


def write_conversation(path: Path, messages: Sequence[LLMMessage]) -> None:
    """Write a conversation into a file, whole or not at all.

    Raises:
        OutputFileError: It cannot be written.
    """
    from pipelex.cogt.llm.conversation_json import conversation_to_json
    from pipelex.exceptions import OutputFileError
    from pipelex.spi.files import WriteError, replace_file

    try:
        replace_file(path, f"{conversation_to_json(messages)}\n".encode())
    except (OSError, WriteError) as exc:
        raise OutputFileError(file=str(path), reason=getattr(exc, "reason", None) or str(exc)) from exc
