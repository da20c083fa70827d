"""The engine that makes the calls of a run on a Ray cluster. Ray itself is imported when the run begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelex.bulk.exceptions import ClusterPlanError

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.bulk.run import MapPlan, MapRun
    from pipelex.hub import PipelexHub

__all__ = ["Ray"]

_CLIENT = "ray://"


@dataclass(frozen=True, kw_only=True)
class Ray:
    """Makes the calls of a run on a Ray cluster: ``px.map(rows, make_job, model=..., ledger=..., engine=Ray())``.

    Attributes:
        address: ``HOST:PORT`` of a cluster, or ``auto`` for the one that runs on this machine. ``None``: the cluster
            that the process is connected to, or that RAY_ADDRESS names; or else one on this machine, for this run.
        actors: How many processes make calls. By default one for every 8 calls at once, at least one for each node,
            and at most one for each CPU.
        cpus_per_actor: How many CPUs Ray reserves for each.
        rows_per_shard: How many rows a process gets at a time; by default 8 for each of its calls at once, and at
            least 64.
        project: The folder from which each node looks for its ``.pipelex/``, upwards; by default the working directory.
        start_timeout_s: How long it may take, in seconds, until Ray has started a process on one of its nodes.

    Raises:
        ClusterPlanError: A value is out of its range.
    """

    address: str | None = None
    actors: int | None = None
    cpus_per_actor: float = 1.0
    rows_per_shard: int | None = None
    project: Path | None = None
    start_timeout_s: float = 300.0

    def __post_init__(self) -> None:
        if self.address is not None and self.address.startswith(_CLIENT):
            reason = (
                f"a driver outside of the cluster ({self.address}) cannot share a folder with its nodes. Run this on "
                "one of them, with the address HOST:PORT or 'auto', for example by 'ray job submit'"
            )
            raise ClusterPlanError(reason=reason)
        for name in ("actors", "rows_per_shard"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ClusterPlanError(reason=f"{name} is {value}; expected 1 or more")
        if self.cpus_per_actor < 0:
            raise ClusterPlanError(reason=f"cpus_per_actor is {self.cpus_per_actor:g}; expected 0 or more")

    def run(self, hub: PipelexHub, plan: MapPlan) -> MapRun[object]:
        """Return a run whose calls are made on the cluster.

        Args:
            hub: Where models are resolved.
            plan: What is to be done.

        Raises:
            ClusterPlanError: The model is a record: each node resolves a name by its own configuration.
            MissingDependencyError: Ray is not installed.
        """
        from pipelex.bulk.ray.run import RayRun
        from pipelex.plugins.inference_backend_registry import require_sdk

        require_sdk(spec="ray", extra="ray", msg="Ray is required in order to run on a cluster.")
        if not isinstance(plan.model, str):
            reason = "the model is a record, which may hold secrets. Name a model: each node resolves it by itself"
            raise ClusterPlanError(reason=reason)
        return RayRun(hub, plan, self)
