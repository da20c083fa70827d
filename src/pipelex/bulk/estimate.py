"""What a run would send, use and cost, without a call."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, cast

from pipelex.bulk.cells import counted
from pipelex.cogt.img_gen.img_gen_job import ImgGenJob
from pipelex.cogt.inference.token_estimate import CHARACTERS_PER_TOKEN, characters_of
from pipelex.cogt.llm.llm_job import LLMJob
from pipelex.cogt.search.search_job import SearchJob
from pipelex.exceptions import PipelexError
from pipelex.generated.families import IMG_GEN, LLM, SEARCH
from pipelex.reporting.prices import cost_of
from pipelex.reporting.reporting_protocol import InferenceRecord, InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipelex.cogt.extract.extract_job import ExtractJob
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

__all__ = ["MapEstimate"]

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class MapEstimate:
    """What a run would send, use and cost. ``None`` is unknown.

    Attributes:
        rows: How many rows there are.
        empty: In how many of them a column that the jobs use is empty, by column.
        without_job: How many of them would fail without a call.
        first_error: The error of the first of these; ``None`` where there is none.
        prompts: The first texts as they would be sent; the names of the files, where there is no text.
        input_tokens: About how many tokens a language model reads: characters / 4. ``None`` for other families.
        most_output_tokens: How many tokens it writes at most, where the job limits them.
        input_cost_usd: What the tokens that are read cost, in US dollars.
        most_cost_usd: What all of it costs at most.
    """

    rows: int
    empty: Mapping[str, int]
    without_job: int
    first_error: str | None
    prompts: tuple[str, ...]
    input_tokens: int | None
    most_output_tokens: int | None
    input_cost_usd: float | None
    most_cost_usd: float | None

    def to_dict(self) -> dict[str, object]:
        """Return the estimate as plain data, ready for JSON."""
        return {**vars(self), "empty": dict(self.empty)}

    def lines(self) -> list[str]:
        """Return the estimate as lines of text."""
        most, total = self.most_output_tokens, _dollars(self.most_cost_usd, "at most ")
        empty = [f"column {column!r} is empty in {count:,}" for column, count in sorted(self.empty.items())]
        shown = [f"--- row {number}\n{prompt}" for number, prompt in enumerate(self.prompts, start=1)]
        if self.without_job:
            empty.append(f"{counted(self.without_job, 'row')} would fail without a call ({self.first_error})")
        rows = f"{counted(self.rows, 'row')}{''.join(f'; {text}' for text in empty)}."
        if self.input_tokens is None:
            return [*shown, "---", rows, f"cost: {total}"]
        written = f"at most {most:,} out" if most is not None else "out unknown (limit it with --max-tokens)"
        return [
            *shown,
            "---",
            f"{rows} About {counted(self.input_tokens, 'token')} in, {written}.",
            f"cost of the input: {_dollars(self.input_cost_usd)}; in all: {total}",
        ]


def _dollars(amount: float | None, prefix: str = "") -> str:
    return "unknown" if amount is None else f"{prefix}${amount:.6f}"


def estimate(jobs: Iterable[object], spec: InferenceModelSpec, *, empty: Mapping[str, int]) -> MapEstimate:
    """Estimate what some jobs use and cost. What images and documents hold does not count.

    Args:
        jobs: The jobs, of any family; in place of one that cannot be made, the error of its row.
        spec: The model.
        empty: In how many rows a column is empty, by column; read when the jobs are through.
    """
    rows, characters, output_tokens = 0, 0, 0
    prompts: list[str] = []
    without_job, first_error = 0, None
    is_limited = True
    for job in jobs:
        rows += 1
        if isinstance(job, PipelexError):
            without_job, first_error = without_job + 1, first_error or str(job)
            continue
        longest: int | None = getattr(getattr(job, "params", None), "max_tokens", None)
        characters += characters_of(job)
        output_tokens += longest or 0
        is_limited = is_limited and longest is not None
        if len(prompts) < _SHOWN:
            prompts.append(_shown(job))
    read, read_cost, most, most_cost = None, None, None, None
    if spec.family is LLM.member:
        read, most = ceil(characters / CHARACTERS_PER_TOKEN), output_tokens if is_limited else None
        read_cost = _cost(spec, InferenceUsage(input_tokens=read, output_tokens=0))
        most_cost = _cost(spec, InferenceUsage(input_tokens=read, output_tokens=most)) if most is not None else None
    else:
        calls = rows - without_job
        used = {SEARCH.member: InferenceUsage(searches=calls), IMG_GEN.member: InferenceUsage(images=calls)}
        most_cost = _cost(spec, used.get(spec.family, InferenceUsage()))
    return MapEstimate(
        rows=rows,
        empty=empty,
        without_job=without_job,
        first_error=first_error,
        prompts=tuple(prompts),
        input_tokens=read,
        most_output_tokens=most,
        input_cost_usd=read_cost,
        most_cost_usd=most_cost,
    )


def _shown(job: object) -> str:
    """Return the texts of a job, and the files that are sent with it."""
    if isinstance(job, LLMJob):
        prompt = job.prompt
        lines = [f"[{prompt.system_text}]"] if prompt.system_text else []
        return "\n".join([*lines, prompt.user_text, *map(_file, (*prompt.images, *prompt.documents))])
    if isinstance(job, ImgGenJob):
        negative = [f"[not: {job.prompt.negative_text}]"] if job.prompt.negative_text else []
        return "\n".join([job.prompt.text, *negative, *map(_file, job.prompt.images)])
    return job.query if isinstance(job, SearchJob) else _file(cast("ExtractJob", job).document)


def _file(source: MediaSource) -> str:
    if source.data is not None:
        return f"[{len(source.data):,} bytes]"
    return f"[{source.path if source.path is not None else source.url}]"


def _cost(spec: InferenceModelSpec, usage: InferenceUsage) -> float | None:
    record = InferenceRecord(
        operation="gen_text",
        family=spec.family,
        backend_name=spec.backend_name,
        sdk=spec.sdk,
        model=spec.name,
        model_id=spec.model_id,
        duration_s=0.0,
        usage=usage,
        price_provider=spec.price_provider,
    )
    return cost_of(record)
