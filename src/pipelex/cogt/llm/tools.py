"""Python functions as tools of a model: their schema from the signature, their arguments validated by pydantic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from pipelex.cogt.llm.llm_job import DocumentPart, ImagePart, LLMTool, TextPart
from pipelex.field_types import with_field_types
from pipelex.plugins.raised import message_of, shown
from pipelex.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMJob
    from pipelex.reporting.reporting_protocol import InferenceUsage

__all__ = ["PythonTool", "ToolContent", "ToolFunction", "ToolLimits", "ToolRun"]

OutputT_co = TypeVar("OutputT_co", covariant=True)

ToolContent: TypeAlias = str | tuple[TextPart | ImagePart | DocumentPart, ...]
ToolFunction: TypeAlias = Callable[..., object]
_PARTS = (TextPart, ImagePart, DocumentPart)


class PythonTool:
    """A tool that runs here.

    :meth:`of` makes one of a function. Made by hand, it is a tool of anything else, an MCP server's, say.

    Args:
        definition: What the model is told of it.
        call: Takes the arguments as JSON text and returns what the model gets.

    Attributes:
        definition: What the model is told of it.
        call: Takes the arguments as JSON text, that of an object, and returns what the model gets. It raises ToolError
            for what the model is to know of; whatever else it raises ends the run.
    """

    def __init__(self, definition: LLMTool, call: Callable[[str], Awaitable[ToolContent]]) -> None:
        self.definition = definition
        self.call: Callable[[str], Awaitable[ToolContent]] = call

    @classmethod
    def of(cls, function: ToolFunction | PythonTool) -> PythonTool:
        """Make a tool of a function, async or not; a tool is returned as it is.

        Its name is that of the function, its description the docstring's first paragraph. Each parameter has a type,
        and a description by ``Annotated[..., pydantic.Field(description=...)]``. A function that is not async runs on a
        thread. What it returns is text, or a part, or parts and texts in a tuple or list; anything else is written as
        JSON.

        Args:
            function: The function.

        Raises:
            TypeError: A parameter has no type, one that JSON cannot hold, or cannot be given by its name.
        """
        return function if isinstance(function, PythonTool) else cls(*_made_of(function))


def _made_of(function: ToolFunction) -> tuple[LLMTool, Callable[[str], Awaitable[ToolContent]]]:
    import inspect

    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    named = _routine_of(function)
    name = type(function).__name__ if named.__name__ == "__call__" else named.__name__
    try:
        adapter: TypeAdapter[dict[str, object]] = TypeAdapter(_type_of_arguments(function, name))
        schema = adapter.json_schema()
    except (NameError, PydanticUserError) as exc:
        msg = f"A parameter of the tool '{name}' has a type that JSON cannot hold or that is not defined: {exc}"
        raise TypeError(msg) from exc
    is_async = inspect.iscoroutinefunction(named)

    async def called(arguments: dict[str, object]) -> object:
        if is_async:
            return await cast("Awaitable[object]", function(**arguments))
        from contextvars import copy_context

        from pipelex.cogt.inference.daemon_thread import on_daemon_thread

        context = copy_context()
        value = await on_daemon_thread(lambda: context.run(lambda: function(**arguments)))
        return await value if inspect.isawaitable(value) else value  # of a decorated async function

    async def call(text: str) -> ToolContent:
        try:
            arguments = adapter.validate_json(text)
        except ValidationError as exc:
            from pipelex.cogt.exceptions import ToolError

            raise ToolError(f"The arguments do not fit: {_problems(exc)}") from exc
        return _content(await called(arguments), name)

    schema.pop("title", None)
    description = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return LLMTool(name=name, description=description, json_schema=schema), call


def _routine_of(function: ToolFunction) -> Callable[..., object]:
    """Return the function behind what can be called: that of an object's class, that of a partial call.

    Raises:
        TypeError: It cannot be called.
    """
    import inspect
    from functools import partial

    given: object = function
    if isinstance(given, partial):
        return _routine_of(given.func)
    if inspect.isroutine(given):
        return given
    if callable(given) and not isinstance(given, type):
        return type(given).__call__
    msg = f"{shown(given)} is no tool: expected a function or a PythonTool"
    raise TypeError(msg)


def _type_of_arguments(function: ToolFunction, name: str) -> type[dict[str, object]]:
    """Make the typed dictionary that the arguments of a function are."""
    import inspect
    from typing import Annotated, NotRequired, Required, get_type_hints

    from pydantic.fields import FieldInfo
    from typing_extensions import TypedDict

    hints = get_type_hints(_routine_of(function), include_extras=True)
    fields: dict[str, object] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            msg = f"The tool '{name}' cannot take '{parameter}': the model gives arguments by their names"
            raise TypeError(msg)
        if parameter.name not in hints:
            msg = f"The parameter '{parameter.name}' of the tool '{name}' has no type: annotate it"
            raise TypeError(msg)
        hint, default = hints[parameter.name], parameter.default
        if isinstance(default, FieldInfo):  # its default is pydantic's to fill in: Python would pass the Field itself
            fields[parameter.name] = Annotated[hint, default]
        else:
            fields[parameter.name] = Required[hint] if default is parameter.empty else NotRequired[hint]
    make = cast("Callable[[str, dict[str, object]], type[dict[str, object]]]", TypedDict)
    arguments = make(f"{name}_arguments", fields)
    setattr(arguments, "__pydantic_config__", {"extra": "forbid"})  # noqa: B010 - not declared
    return arguments


def refuse_broken_arguments(text: str) -> None:
    """Refuse arguments that are not the JSON of an object: a tool made by hand parses them without a check.

    Raises:
        ToolError: Naming what is wrong, for the model.
    """
    from pydantic_core import from_json

    from pipelex.cogt.exceptions import ToolError

    try:
        value: object = from_json(text)
    except ValueError as exc:
        raise ToolError(f"The arguments do not fit: arguments: Invalid JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise ToolError("The arguments do not fit: arguments: Input should be an object")


def _problems(error: object) -> str:
    """Return what is wrong, in pydantic's words, without the values: those are the model's own."""
    from pydantic import ValidationError

    assert isinstance(error, ValidationError)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    )


def _content(value: object, name: str) -> ToolContent:
    """Return what a tool returned as the model gets it.

    Raises:
        InferenceRequestError: It is nothing that can be sent, naming the tool.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()  # of a file's name, say
    if isinstance(value, _PARTS):
        return (value,)
    if isinstance(value, tuple | list) and any(isinstance(part, _PARTS) for part in value):
        return tuple(part if isinstance(part, _PARTS) else _text_part(part, name) for part in value)
    from pydantic_core import to_json

    try:
        return to_json(value, inf_nan_mode="strings").decode()  # JSON has neither NaN nor infinite numbers
    except Exception as exc:  # a method of the value's class may raise anything
        from pipelex.cogt.exceptions import InferenceRequestError

        msg = f"The tool '{name}' returned {shown(value)}, which is no JSON: {message_of(exc)}"
        raise InferenceRequestError(f"{msg}. Return a text, a part, or what JSON can hold") from exc


def _text_part(value: object, name: str) -> TextPart:
    text = _content(value, name)
    assert isinstance(text, str)
    return TextPart(text=text)


@dataclass(frozen=True, kw_only=True)
class ToolLimits:
    """How far a run of tools may go.

    Attributes:
        max_rounds: How often the model is asked at most.
        max_calls: How many calls of tools it may make, in all rounds together.
        max_concurrency: How many tools run at once.
        timeout_s: How long a tool may run, in seconds; the model is told of one that took longer. ``None``: any time.
    """

    max_rounds: int = 10
    max_calls: int = 50
    max_concurrency: int = 8
    timeout_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ToolRun(Generic[OutputT_co]):
    """What came of a run of tools.

    Attributes:
        output: The text of the last answer, or the object that was asked for.
        answer: The last answer.
        job: The whole conversation, the last answer included: ``run.job.then("and now?")`` continues it.
        usage: What all the answers used together.
        rounds: How often the model was asked.
    """

    output: OutputT_co
    answer: LLMAnswer
    job: LLMJob
    usage: InferenceUsage | None
    rounds: int

    __get_pydantic_core_schema__ = with_field_types
