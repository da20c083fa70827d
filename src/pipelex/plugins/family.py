"""The record of a family: all that differs between the kinds of model call. ``generated.families`` holds its values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.plugins.inference_backend_registry import InferenceFamily

WorkerT_co = TypeVar("WorkerT_co", bound="InferenceWorkerAbstract", covariant=True)


class Family(Generic[WorkerT_co]):
    """A family, typed by the base of its workers: a function that takes the token returns that base, without a cast.

    A plain class: a dataclass takes ``inspect`` into every start, and ty solves no type variable of a named tuple.

    Attributes:
        member: Its member of :class:`InferenceFamily`.
        words: How a sentence names its models.
        class_part: How the names of its classes begin (``ImgGen``).
        command: The command that calls it.
        help: What the command does, in one line.
        first_call: The command as a user tries it first, without its model.
        charged_on_arrival: Whether a request may be charged although no answer came.
        capabilities: What a model may declare, by value.
        worker: The base of its workers, as ``module:Class``.
    """

    def __init__(
        self,
        *,
        member: InferenceFamily,
        words: str,
        class_part: str,
        command: str,
        help: str,
        first_call: str,
        charged_on_arrival: bool,
        capabilities: tuple[str, ...],
        worker: str,
    ) -> None:
        self.member = member
        self.words = words
        self.class_part = class_part
        self.command = command
        self.help = help
        self.first_call = first_call
        self.charged_on_arrival = charged_on_arrival
        self.capabilities = capabilities
        self.worker = worker

    def load_base(self) -> type[WorkerT_co]:
        """Import the base of its workers: when a worker is made, since a base imports more than the contract does."""
        base: type[WorkerT_co] = _load(self.worker)
        return base


@cache
def _load(reference: str) -> Any:
    from importlib import import_module

    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
