"""The configuration record of a backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pipelex.cogt.model_backends.model_spec import CallPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["InferenceBackend"]

ExtraT = TypeVar("ExtraT", str, int, float, bool)


@dataclass(frozen=True, kw_only=True)
class InferenceBackend:
    """How to reach a backend. What may be secret stays out of its ``repr``.

    Attributes:
        name: The configured name, as in ``[backends.<name>]``.
        endpoint: The base URL, where it differs from the SDK's own default.
        api_key: The key, already read from its environment variable.
        policy: How patient the calls are: time-outs of the client, attempts, concurrency.
        extras: Whatever else the backend's table holds (region, deployment, account).
    """

    name: str
    endpoint: str | None = None
    api_key: str | None = field(default=None, repr=False)
    policy: CallPolicy = field(default_factory=CallPolicy)
    extras: Mapping[str, str | int | float | bool] = field(default_factory=dict, repr=False)

    def get_extra(self, key: str, *, default: ExtraT) -> ExtraT:
        """Return one of the extras, checked against the type of its default.

        Args:
            key: The key in the backend's table.
            default: What it is where the table does not say; its type is the type asked for.

        Raises:
            ConfigurationError: The table holds a value of another type.
        """
        value = self.extras.get(key, default)
        kind = type(default)
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        from pipelex.exceptions import ConfigurationError

        raise ConfigurationError(
            file=".pipelex/pipelex.toml",
            key=f"backends.{self.name}.{key}",
            reason=f"expected a value of type {kind.__name__}, got one of type {type(value).__name__}",
        )
