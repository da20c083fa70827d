"""``pipelex llm``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.inputs import media_sources, text_or_stdin
from pipelex.cli.output import OK, write_json
from pipelex.cli.session import answer_of_file, call_report, model_or_default, noting_usage, open_pipelex, usage_option
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from pipelex.cli.json_schema import SchemaAnswer
    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
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
    job = LLMJob(
        prompt=LLMPrompt(
            user_text=text_or_stdin(prompt, "prompt"),
            system_text=system,
            images=media_sources(images, "--image"),
        ),
        params=LLMJobParams(temperature=temperature, max_tokens=max_tokens, seed=seed, stop=stop),
    )
    answer = answer_of_file(schema) if schema is not None else None
    log = UsageLog()
    with noting_usage(log, wanted=tells_usage), open_pipelex(log) as px:
        worker = px.llm(model_or_default(px, model, InferenceFamily.LLM))
        if answer is not None:
            _write_object(worker, job, answer, log, as_json=as_json)
        elif stream:
            _write_pieces(worker, job, log, as_json=as_json)
        else:
            _write_text(worker, job, log, as_json=as_json)
    return OK


def _write_text(worker: LLMWorkerAbstract, job: LLMJob, log: UsageLog, *, as_json: bool) -> None:
    text = worker.gen_text_sync(job)
    if as_json:
        write_json({"text": text, **call_report(log)})
    else:
        write_text(text)


def _write_pieces(worker: LLMWorkerAbstract, job: LLMJob, log: UsageLog, *, as_json: bool) -> None:
    """Write the pieces as they come; as JSON one object a line, the last one with the report of the call."""
    for piece in worker.stream_text_sync(job):
        if as_json:
            write_json({"text": piece}, indent=None)
        else:
            write_text(piece, end="")
    if as_json:
        write_json({"text": "", **call_report(log)}, indent=None)
    else:
        write_text("")


def _write_object(
    worker: LLMWorkerAbstract, job: LLMJob, schema: type[SchemaAnswer], log: UsageLog, *, as_json: bool
) -> None:
    answer = worker.gen_object_sync(job, schema)
    write_json({"object": answer.value, **call_report(log)} if as_json else answer.value)
