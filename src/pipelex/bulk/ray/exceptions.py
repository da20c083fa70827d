"""What can go wrong when the calls of a run are made on a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.bulk.exceptions import MapError, MapUsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ClusterDiffersError",
    "ClusterError",
    "ClusterFolderError",
    "ClusterNodeError",
    "ClusterPlanError",
    "ClusterUnreachableError",
]


class ClusterError(MapError):
    """A cluster cannot go on with a run. What was answered is kept; the same call resumes.

    Args:
        reason: Why not, and the fix.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Ray: {reason}. What was answered is kept; the same call resumes.")


class ClusterUnreachableError(MapUsageError):
    """There is no cluster at an address, or none can be started.

    Args:
        address: The address; ``None`` for a cluster on this machine.
        reason: Why not.
    """

    def __init__(self, *, address: str | None, reason: str) -> None:
        self.address = address
        self.reason = reason
        where = f"at {address}" if address is not None else "on this machine"
        super().__init__(
            f"No Ray cluster can be used {where}: {reason}. Start one (ray start --head), name its address HOST:PORT "
            "(--on ray:HOST:PORT, Ray(address=...)), or leave the address out, and one is started on this machine."
        )


class ClusterPlanError(MapUsageError):
    """A run cannot be sent to a cluster.

    Args:
        reason: Why not, and the fix.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Ray: {reason}.")


class ClusterFolderError(MapUsageError):
    """A node cannot use the folder of the ledgers.

    Args:
        node: The node.
        folder: The folder.
        reason: Why not.
    """

    def __init__(self, *, node: str, folder: str, reason: str) -> None:
        self.node = node
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"Node {node} cannot use the folder {folder}: {reason}. The ledgers outlive the nodes, so their folder has "
            "to be one that all nodes have in common: name an output, or a ledger, in such a folder."
        )


class ClusterNodeError(MapUsageError):
    """A node cannot make the calls of a run.

    Args:
        node: The node.
        reason: Why not, and the fix.
    """

    def __init__(self, *, node: str, reason: str) -> None:
        self.node = node
        self.reason = reason
        super().__init__(f"On node {node}: {reason}")


class ClusterDiffersError(MapUsageError):
    """Nodes of a cluster do not run what this process runs, so that rows would be answered by different code.

    Args:
        differences: For each node what differs: the name of the thing, what it is here, and what it is there.
    """

    def __init__(self, *, differences: Mapping[str, Mapping[str, tuple[str, str]]]) -> None:
        self.differences = tuple(
            (node, name, here, there) for node, found in differences.items() for name, (here, there) in found.items()
        )
        listed = "\n".join(
            f"  {node}: {name}: {here} here, {there} there" for node, name, here, there in self.differences
        )
        super().__init__(
            f"The nodes of the cluster do not run the same as this process:\n{listed}\n"
            "Install the same versions of Python, of this package and of its plugins on all nodes, with the same "
            "configuration, and restart Ray there."
        )
