"""Model listers: the callables behind ``pipelex show models``, by sdk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel

__all__ = ["ListModelsFn"]


class ListModelsFn(Protocol):
    """The locked call shape of a model lister: always async, all arguments by keyword."""

    async def __call__(
        self,
        *,
        sdk: str,
        backend_name: str,
        backend: InferenceBackend,
        flat: bool,
        any_listed: bool,
    ) -> Sequence[ListedModel] | None:
        """List the models of one backend.

        Args:
            sdk: The sdk whose models are wanted.
            backend_name: The configured name of the backend.
            backend: The backend's configuration record.
            flat: Whether the user asked for plain lines; matters only to a lister that prints by itself.
            any_listed: Whether another sdk of this command was listed before; matters only likewise.

        Returns:
            The models, which the command draws; or ``None`` when the lister wrote its own output.

        Raises:
            ModelListingUnsupportedError: This variant of the client cannot list.
            MissingDependencyError: The SDK is not installed.
        """
        ...


class ModelListerRegistry:
    """The model listers that the plugins registered, by sdk.

    Args:
        listers: The listers by sdk, as a registrar holds them.
    """

    __slots__ = ("_listers",)

    def __init__(self, listers: Mapping[str, ListModelsFn]) -> None:
        self._listers = dict(listers)

    def get(self, *, sdk: str) -> ListModelsFn | None:
        """Return the lister of an sdk, or ``None`` where it has none: listing is optional."""
        return self._listers.get(sdk)

    def __iter__(self) -> Iterator[str]:
        return iter(self._listers)

    def __len__(self) -> int:
        return len(self._listers)
