"""The inference backends that the plugins registered, by ``(family, sdk)``, and the guard of optional SDKs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipelex.fork_safe_lock import ForkSafeLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.inference.limiter import Limiter
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.family import Family
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol

__all__ = ["InferenceFamily", "MakeWorkerFn", "require_sdk"]

WorkerT = TypeVar("WorkerT", bound="InferenceWorkerAbstract")


class InferenceFamily(StrEnum):
    """What kind of model call a backend serves. A backend's key is ``(family, sdk)``."""

    LLM = "llm"
    """Text in, text or structured object out."""
    IMG_GEN = "img_gen"
    """Text in, images out."""
    EXTRACT = "extract"
    """A document in, its pages out."""
    SEARCH = "search"
    """A query in, a sourced answer out."""


class MakeWorkerFn(Protocol):
    """The locked call shape of a backend: a plain callable that builds a worker, all arguments by keyword."""

    def __call__(
        self,
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        """Build the worker of a model. SDKs are imported in here, guarded by :func:`require_sdk`.

        Args:
            inference_model: The resolved model record.
            backend: The configuration record of the model's backend.
            sdk_clients: Where SDK clients are memoized, one per model handle.
            reporting_delegate: Where the worker reports usage and time, if anywhere.

        Returns:
            A worker of the family that the backend is registered for.

        Raises:
            MissingDependencyError: The SDK is not installed.
        """
        ...


_UNKNOWN = "(unknown)"


def require_sdk(*, spec: str, extra: str, msg: str) -> None:
    """Make sure that an optional package is there, without importing it.

    Args:
        spec: The package's import name; may be dotted (``"acme.client"``).
        extra: The extra of the plugin's own distribution that brings it: ``my-plugin[extra]``.
        msg: What the package is needed for, as a sentence.

    Raises:
        MissingDependencyError: It is not installed.
    """
    from importlib.util import find_spec

    try:
        found = find_spec(spec) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is missing
        found = False
    except ValueError:  # something without a __spec__ is in sys.modules: it is there, whatever it is
        found = True
    if not found:
        from pipelex.exceptions import MissingDependencyError

        raise MissingDependencyError(spec, extra, msg)


class InferenceBackendRegistry:
    """The worker-building callables by ``(family, sdk)``.

    Args:
        backends: The callables, as a registrar holds them.
        plugin_names: Which plugin brought each, for the errors that name it.
    """

    __slots__ = ("_backends", "_limiter", "_lock", "_plugin_names")

    def __init__(
        self,
        backends: Mapping[tuple[InferenceFamily, str], MakeWorkerFn],
        *,
        plugin_names: Mapping[tuple[InferenceFamily, str], str] | None = None,
    ) -> None:
        self._backends = dict(backends)
        self._plugin_names = dict(plugin_names or {})
        self._lock = ForkSafeLock()
        self._limiter: Limiter | None = None

    @property
    def limiter(self) -> Limiter:
        """The limits that the workers made here share; this registry belongs to one ``Pipelex`` instance."""
        with self._lock:
            if self._limiter is None:
                from pipelex.cogt.inference.limiter import Limiter

                self._limiter = Limiter()
            return self._limiter

    def lookup(self, *, family: InferenceFamily, sdk: str) -> MakeWorkerFn:
        """Return the callable that builds the worker.

        Args:
            family: The family of the call.
            sdk: The model's ``sdk``.

        Raises:
            InferenceBackendNotFoundError: No plugin registered this pair.
        """
        try:
            return self._backends[family, sdk]
        except KeyError:
            pass
        raise self._not_found(family=family, sdk=sdk)

    def make_worker(
        self,
        family: Family[WorkerT],
        *,
        sdk: str,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        call: Callable[[MakeWorkerFn, SdkClientRegistry], InferenceWorkerAbstract],
    ) -> WorkerT:
        """Build the worker of a model, and check what the plugin returned.

        Args:
            family: The family of the call.
            sdk: The model's ``sdk``.
            backend: The backend's record.
            sdk_clients: Where SDK clients are memoized.
            call: Calls the plugin's callable with the values of its keywords. It gets the view of ``sdk_clients`` that
                is bound to the backend's record.

        Raises:
            InferenceBackendNotFoundError: No plugin registered this pair.
            BrokenPluginError: The plugin's ``make_worker`` raised an error that is not a PipelexError.
            WrongWorkerFamilyError: It returned something else than a worker of the family.
            InvalidContributionError: The worker's constructor did not call that of its base.
        """
        member = family.member
        make_worker = self.lookup(family=member, sdk=sdk)
        view = sdk_clients._bound_to(backend)
        try:
            worker = call(make_worker, view)
        except BaseException as exc:
            error = self._broken(exc, family=member, sdk=sdk)
            if error is exc:
                raise
            raise error from exc
        base = family.load_base()
        if not isinstance(worker, base):
            from pipelex.plugins.exceptions import WrongWorkerFamilyError

            raise WrongWorkerFamilyError(
                plugin_name=self.plugin_name(family=member, sdk=sdk),
                family=member.value,
                sdk=sdk,
                expected=base,
                returned=type(worker),
            )
        from pipelex.plugins.returned_values import check_worker

        check_worker(worker, plugin_name=self._plugin_names.get((member, sdk), _UNKNOWN))
        worker._limiter = self._limiter or self.limiter
        worker._client_lease = view
        return worker

    def _broken(self, error: BaseException, *, family: InferenceFamily, sdk: str) -> BaseException:
        """Return the error that names the plugin; one of our own, and Ctrl-C, are returned as they are."""
        from pipelex.exceptions import PipelexError

        if isinstance(error, PipelexError | KeyboardInterrupt):
            return error
        from pipelex.plugins.exceptions import BrokenPluginError
        from pipelex.plugins.raised import described
        from pipelex.redaction import scrub

        scrub(error)
        return BrokenPluginError(
            plugin_name=self.plugin_name(family=family, sdk=sdk),
            phase="make_worker",
            reason=f"make_worker of ({family}, {sdk}) raised {described(error)}",
        )

    def plugin_name(self, *, family: InferenceFamily, sdk: str) -> str:
        """Return the name of the plugin that registered a pair."""
        return self._plugin_names.get((family, sdk), _UNKNOWN)

    def _not_found(self, *, family: InferenceFamily, sdk: str) -> Exception:
        from difflib import get_close_matches

        from pipelex.plugins.exceptions import InferenceBackendNotFoundError

        same_sdk = [f"{other}/{name}" for other, name in self._backends if name == sdk]
        in_family = [name for other, name in self._backends if other == family]
        close = [f"{family}/{name}" for name in get_close_matches(sdk, in_family, n=3)]
        return InferenceBackendNotFoundError(family=str(family), sdk=sdk, nearby=(*close, *same_sdk))

    def __iter__(self) -> Iterator[tuple[InferenceFamily, str]]:
        return iter(self._backends)

    def __len__(self) -> int:
        return len(self._backends)
