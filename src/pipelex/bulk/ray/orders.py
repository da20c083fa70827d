"""What the driver of a run sends to the processes of a cluster, and what they answer. No key is ever part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.bulk.options import OnAmbiguous
    from pipelex.plugins.inference_backend_registry import InferenceFamily


@dataclass(frozen=True, kw_only=True)
class RunOrder:
    """What all processes of a run have to know.

    Attributes:
        model: The name of the model: each node resolves it, and reads its key, by itself.
        family: The family of the calls.
        schema: The type of the answers.
        project: The folder from which a node looks for its configuration; not used where it is not there.
        requests_per_minute: The limit of requests of the whole run.
        tokens_per_minute: That of tokens.
        processes: How many processes share the limits.
        on_ambiguous: What becomes of rows whose call may have been charged when a process died.
        folder: The folder of the ledgers, which all nodes have in common.
        has_limit: Whether failures or cost end the run, so that each row is reported as soon as it ends.
    """

    model: str
    family: InferenceFamily
    schema: object
    project: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    processes: int
    on_ambiguous: OnAmbiguous
    folder: str
    has_limit: bool


@dataclass(frozen=True, kw_only=True)
class ShardRow:
    """A row that is to be run.

    Attributes:
        key: The key of the row, or its index.
        position: Its index in the input.
        job: Its job.
        fingerprint: That of its job.
        source: The row as JSON, where that is kept.
        deaths: How often a process died while its call was under way.
    """

    key: str | int
    position: int
    job: object
    fingerprint: str
    source: str | None
    deaths: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A part of the rows, which one process runs.

    Attributes:
        ledger: The file of its ledger.
        rows: The rows.
    """

    ledger: str
    rows: tuple[ShardRow, ...]


@dataclass(frozen=True, kw_only=True)
class NodeAnswer:
    """What a node runs.

    Attributes:
        facts: What is installed and configured there, as texts by name.
        folder_fault: Why it cannot use the folder of the ledgers; ``None`` where it can.
        error: Why it cannot make calls; ``None`` where it can.
        node: Its host, as it calls itself.
    """

    node: str
    facts: Mapping[str, str]
    folder_fault: str | None = None
    error: str | None = None
