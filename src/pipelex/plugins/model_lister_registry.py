"""Model listers: the callables behind ``pipelex show models``, by sdk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel

__all__ = ["ListModelsFn", "translate_errors"]


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


class translate_errors:
    """A context that raises an SDK's exception as the InferenceError that it means. A lister runs inside one.

    Args:
        classify: The vendor's table, the same that its workers use; ``None`` from it lets the exception pass.
        provider: The configured name of the backend.
    """

    __slots__ = ("_classify", "_provider")

    def __init__(self, classify: Callable[[Exception], InferenceError | None], *, provider: str) -> None:
        self._classify = classify
        self._provider = provider

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Name what went wrong.

        Raises:
            InferenceError: The error that the exception means.
        """
        if not isinstance(error, Exception):
            return
        from pipelex.cogt.exceptions import InferenceError, say_whom
        from pipelex.redaction import scrub

        named = error if isinstance(error, InferenceError) else self._classify(error)
        if named is None:
            return
        named = say_whom(named, provider=self._provider)
        if named is not error:
            scrub(error)
            raise named from error


class ModelListerRegistry:
    """The model listers that the plugins registered, by sdk.

    Args:
        listers: The listers by sdk, as a registrar holds them.
        plugin_names: Which plugin brought each, for the errors that name it.
    """

    __slots__ = ("_listers", "_plugin_names")

    def __init__(self, listers: Mapping[str, ListModelsFn], *, plugin_names: Mapping[str, str] | None = None) -> None:
        self._listers = dict(listers)
        self._plugin_names = dict(plugin_names or {})

    def get(self, *, sdk: str) -> ListModelsFn | None:
        """Return the lister of an sdk, or ``None`` where it has none: listing is optional."""
        return self._listers.get(sdk)

    def checked(self, rows: object, *, sdk: str) -> Sequence[ListedModel] | None:
        """Return what the lister of an sdk returned, once it is known to be what the contract asks for.

        Args:
            rows: What came.
            sdk: Whose lister it was.

        Raises:
            InvalidContributionError: It is something else.
        """
        from pipelex.plugins.returned_values import Origin, check_rows

        return check_rows(Origin(self._plugin_names.get(sdk, "(unknown)"), f"lister of sdk {sdk}"), rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._listers)

    def __len__(self) -> int:
        return len(self._listers)
