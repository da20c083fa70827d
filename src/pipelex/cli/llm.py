"""``pipelex llm``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.conversations import (
    param_option,
    read_conversation,
    tool_option,
    tools_named,
    with_named,
    write_conversation,
)
from pipelex.cli.inputs import media_sources, text_or_stdin
from pipelex.cli.output import OK, write_json
from pipelex.cli.session import answer_of_file, call_report, model_or_default, noting_usage, open_pipelex, usage_option
from pipelex.exceptions import PipelexError
from pipelex.plugins.raised import described
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cli.json_schema import SchemaAnswer
    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMJob
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.cogt.llm.tools import PythonTool, ToolRun
    from pipelex.reporting.usage_log import UsageLog


@click.command()
@click.argument("prompt", required=False)
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
@click.option("-s", "--system", help="An instruction beside the prompt.")
@click.option("--schema", type=click.Path(path_type=Path), help="Ask for JSON that fits this JSON Schema file.")
@click.option("--stream", is_flag=True, help="Write the answer as it is made.")
@click.option("--image", "images", multiple=True, metavar="FILE", help="An image, by file or address. Repeatable.")
@click.option("--temperature", type=click.FloatRange(min=0), help="Randomness; 0 is none.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The longest answer, in tokens.")
@click.option("--seed", type=int, help="The seed of the randomness.")
@click.option("--stop", multiple=True, metavar="TEXT", help="A text at which the answer ends. Repeatable.")
@click.option(
    "--history",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A conversation to continue; the prompt and the answer are added to the file.",
)
@tool_option
@param_option
@usage_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON; with --stream an object a line.")
def llm(
    *,
    prompt: str | None,
    model: str | None,
    system: str | None,
    schema: Path | None,
    stream: bool,
    images: tuple[str, ...],
    temperature: float | None,
    max_tokens: int | None,
    seed: int | None,
    stop: tuple[str, ...],
    history: Path | None,
    tools: tuple[str, ...],
    named_params: tuple[str, ...],
    tells_usage: bool,
    as_json: bool,
) -> int:
    """Ask a language model: PROMPT, or what standard input holds where it is "-" or left out.

    With --schema the answer is JSON, checked against the file before it is written.
    """
    from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.reporting.usage_log import UsageLog

    if schema is not None and stream:
        msg = "--schema and --stream do not go together: an answer is checked when it is whole."
        raise click.UsageError(msg)
    if schema is not None and (tools or history is not None):
        msg = "--schema does not go with --tool and --history."
        raise click.UsageError(msg)
    params = LLMJobParams(temperature=temperature, max_tokens=max_tokens, seed=seed, stop=stop)
    job = LLMJob(
        prompt=LLMPrompt(
            user_text=text_or_stdin(prompt, "prompt"),
            system_text=system,
            images=media_sources(images, "--image"),
            history=read_conversation(history) if history is not None and history.exists() else (),
        ),
        params=with_named(params, named_params),
    )
    found = tools_named(tools)
    answer = answer_of_file(schema) if schema is not None else None
    log = UsageLog()
    with noting_usage(log, wanted=tells_usage), open_pipelex(log) as px:
        worker = px.llm(model_or_default(px, model, InferenceFamily.LLM))
        if answer is not None:
            _write_object(worker, job, answer, log, as_json=as_json)
        elif found:
            run = _run_tools(worker, job, found, history)
            _write_answer(run.answer, log, as_json=as_json)
            job = run.job
        elif stream:
            job = job.then(_write_pieces(worker, job, log, as_json=as_json))
        else:
            whole = _whole_answer(worker, job)
            _write_answer(whole, log, as_json=as_json)
            job = job.then(whole)
        if history is not None:
            write_conversation(history, job.prompt.history)
    return OK


def _run_tools(
    worker: LLMWorkerAbstract, job: LLMJob, tools: Sequence[PythonTool], history: Path | None
) -> ToolRun[str]:
    """Run the tools; where that fails, the conversation so far is kept in its file.

    Raises:
        click.ClickException: Naming what a tool raised.
    """
    try:
        return worker.run_tools_sync(job, tools)
    except Exception as error:
        so_far: LLMJob | None = getattr(error, "job", None)
        if history is not None and so_far is not None:
            write_conversation(history, so_far.prompt.history)
        if isinstance(error, PipelexError):
            raise
        msg = f"a tool raised {described(error)}"
        raise click.ClickException(msg) from error


def _whole_answer(worker: LLMWorkerAbstract, job: LLMJob) -> LLMAnswer:
    """Return an answer that has a text.

    Raises:
        InferenceError: The call failed, or the answer was cut off, refused, or has no text.
    """
    from pipelex.cogt.llm.answer_report import refuse_half_answer

    answer = worker.gen_answer_sync(job)
    refuse_half_answer(worker, answer)
    return answer


def _write_answer(answer: LLMAnswer, log: UsageLog, *, as_json: bool) -> None:
    if as_json:
        write_json({"text": answer.text, **_as_json(answer), **call_report(log)})
    else:
        write_text(answer.text)


def _as_json(answer: LLMAnswer) -> dict[str, object]:
    """Return what else an answer holds; its parts as a file of a conversation holds them."""
    import json
    from dataclasses import asdict

    from pipelex.cogt.llm.conversation_json import conversation_to_json
    from pipelex.cogt.llm.llm_job import AssistantMessage

    (message,) = json.loads(conversation_to_json([AssistantMessage(parts=answer.parts)]))["messages"]
    found = {
        "parts": message["parts"],
        "finish_detail": answer.finish_detail,
        "request_id": answer.request_id,
        "logprobs": [asdict(logprob) for logprob in answer.logprobs],
    }
    return {name: value for name, value in found.items() if value}


def _write_pieces(worker: LLMWorkerAbstract, job: LLMJob, log: UsageLog, *, as_json: bool) -> LLMAnswer:
    """Write the pieces as they come; as JSON one object a line, the last one with the report of the call."""
    from pipelex.cogt.llm.answer_report import refuse_half_answer

    with worker.stream_answer_sync(job) as stream:
        for piece in stream.text():
            if as_json:
                write_json({"text": piece}, indent=None)
            else:
                write_text(piece, end="")
        answer = stream.answer()
    refuse_half_answer(worker, answer)
    if as_json:
        write_json({"text": "", **_as_json(answer), **call_report(log)}, indent=None)
    else:
        write_text("")
    return answer


def _write_object(
    worker: LLMWorkerAbstract, job: LLMJob, schema: type[SchemaAnswer], log: UsageLog, *, as_json: bool
) -> None:
    answer = worker.gen_object_sync(job, schema)
    write_json({"object": answer.value, **call_report(log)} if as_json else answer.value)
