"""What the command of a plugin is called with."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.model_backends.backend import InferenceBackend

__all__ = ["CommandCall"]


@dataclass(frozen=True, kw_only=True)
class CommandCall:
    """One use of a command that a plugin contributes.

    Attributes:
        arguments: The arguments behind the command's name.
        program: The program and the command, as a usage message names them: ``"pipelex acme"``.
        backends: The configured backends by name. A record is built when it is looked up. That raises a
            :class:`ConfigurationError` where its configuration is wrong, an error that names the variable where its
            key is not set, and a ``KeyError`` where no such backend is configured: use ``get`` or ``in``.
    """

    arguments: tuple[str, ...] = ()
    program: str
    backends: Mapping[str, InferenceBackend] = field(default_factory=dict, repr=False)

    __get_pydantic_core_schema__ = with_field_types
