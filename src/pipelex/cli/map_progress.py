"""How far a run over many rows is, on stderr once a second: a status line on a terminal, else a line of JSON."""

from __future__ import annotations

import asyncio
import sys
from time import monotonic
from typing import TYPE_CHECKING

from pipelex.terminal import is_terminal, write_status, write_text

if TYPE_CHECKING:
    from pipelex.bulk.run import MapProgress

_EACH_S = 1.0


async def show_progress(progress: MapProgress, total: int | None) -> None:
    """Show progress until cancelled.

    Args:
        progress: How far the run is; it changes.
        total: How many rows there are, where that is known.
    """
    began = monotonic()
    try:
        while True:
            await asyncio.sleep(_EACH_S)
            _show(progress_of(progress, total, monotonic() - began))
    finally:
        write_status()


def progress_of(progress: MapProgress, total: int | None, elapsed_s: float) -> dict[str, object]:
    """Return the figures; a rate counts what this run has done.

    Args:
        progress: How far the run is.
        total: How many rows there are, where that is known.
        elapsed_s: How long it has run, in seconds.
    """
    rate = (progress.done - progress.resumed) / elapsed_s if elapsed_s else 0.0
    left_s = (total - progress.done) / rate if total is not None and rate else None
    return {
        "done": progress.done,
        "total": total,
        "failed": progress.failed,
        "under_way": progress.under_way,
        "rows_per_s": round(rate, 1),
        "cost_usd": round(progress.cost_usd, 6) if progress.cost_usd else None,
        "left_s": round(left_s) if left_s is not None else None,
    }


def _show(figures: dict[str, object]) -> None:
    if not is_terminal(sys.stderr):
        import json

        write_text(json.dumps(figures), err=True)
        return
    of_total = f"/{figures['total']:,}" if figures["total"] is not None else ""
    cost = f"  ${figures['cost_usd']} so far" if figures["cost_usd"] is not None else ""
    left = f"  {figures['left_s']} s left" if figures["left_s"] is not None else ""
    write_status(f"{figures['done']:,}{of_total}  {figures['rows_per_s']}/s{cost}  {figures['failed']} failed{left}")
