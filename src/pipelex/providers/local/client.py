"""llama.cpp inside this process: one engine per backend, its models loaded when they are first called."""

from __future__ import annotations

from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceModelNotFoundError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.inference.forking import renew_after_fork
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.providers.local.weights import INSTALL_COMMAND, KNOWN_WEIGHTS, is_whole, require

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor
    from pathlib import Path

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.providers.local.weights import Weights

_DEFAULT_CONTEXT = 4096
_REQUEST_FAULTS = {"invalid_request_error", "not_supported_error"}
_PROMPT_BATCH = 256  # tokens read between two looks at whether the call was given up


class EngineError(Exception):
    """The engine refused a request or failed.

    Args:
        message: What it said.
        kind: Its own name of the fault (``"exceed_context_size_error"``); empty where it has none.
    """

    def __init__(self, message: str, *, kind: str = "") -> None:
        self.kind = kind
        super().__init__(message)


class ModelLoadError(EngineError):
    """A weights file could not be loaded."""


class LocalEngine:
    """The models of one backend, held in memory, and the one thread on which they run.

    Calls run one after another in the order in which they came: llama.cpp takes all the cores that it is given
    for one answer, and an answer that shares its batch with another is not the same for the same seed.

    Args:
        backend: The backend's record; its extras ``n_ctx``, ``n_threads`` and ``weights`` are read here.
    """

    def __init__(self, *, backend: InferenceBackend) -> None:
        self._backend = backend
        self._weights_file = backend.get_extra("weights", default="")
        self._n_ctx = _count(backend, "n_ctx")
        self._n_threads = _count(backend, "n_threads") or default_threads()
        self._servers: dict[str, Any] = {}  # by weights file; xllamacpp.Server has no types
        self._closing = Event()
        self._lock = Lock()
        self._executor: ThreadPoolExecutor | None = None
        _engines.add(self)

    def submit(
        self, *, model_id: str, request: dict[str, object], on_event: Callable[[dict[str, Any]], bool]
    ) -> Future[None]:
        """Queue a chat completion and return at once.

        Args:
            model_id: The model; it is loaded if this is its first call.
            request: The request, in the chat completions format.
            on_event: Gets each event of the stream, on the engine's thread; returning true ends the answer.

        Returns:
            Ends when the answer does. Cancelling it works as long as its turn has not come.

        Raises:
            InferenceModelNotFoundError: The model's weights are not on this machine.
        """
        path = require(model_id, backend_name=self._backend.name, weights_file=self._weights_file)
        weights = None if self._weights_file else KNOWN_WEIGHTS[model_id]
        return self._thread().submit(self._run, path, weights, request, on_event)

    def close(self) -> None:
        """Stop the answer under way, drop those that wait, and free the models. May be called again."""
        self._closing.set()
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
            executor.shutdown(wait=True)
        self._servers.clear()  # the engine frees a model with its last reference

    def renew_after_fork(self) -> None:
        """Load the models anew in a child process. Those of the parent stay: their native threads are not here."""
        _inherited.append(self._servers)
        self._servers, self._lock, self._executor = {}, Lock(), None

    def _thread(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._closing.is_set():
                msg = "The engine has been closed."
                raise EngineError(msg)
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipelex-llama-cpp")
            return self._executor

    def _run(
        self,
        path: Path,
        weights: Weights | None,
        request: dict[str, object],
        on_event: Callable[[dict[str, Any]], bool],
    ) -> None:
        """Serve one request; runs on the engine's thread alone, so that no model is loaded twice."""
        server = self._servers.get(str(path))
        if server is None:
            if weights is not None and not is_whole(weights, path):
                msg = f"{path} is damaged: its sha256 is not that of {weights.model_id}. Fetch again: {INSTALL_COMMAND}"
                raise ModelLoadError(msg)
            context = self._n_ctx or (weights.context_window if weights is not None else 0)
            server = self._servers[str(path)] = _load(path, n_ctx=context, n_threads=self._n_threads)
        failures: list[Exception] = []

        def receive(event: dict[str, Any]) -> bool:
            """Hand an event on. The engine swallows what a callback raises, so it is kept and raised after."""
            try:
                if "error" in event:
                    raise EngineError(str(event["error"]["message"]), kind=str(event["error"].get("type", "")))
                if self._closing.is_set():
                    raise EngineError("The engine was closed before the answer was whole.")
                return on_event(event)
            except Exception as exc:
                failures.append(exc)
                return True

        try:
            server.handle_chat_completions(request, receive)
        except (ValueError, RuntimeError) as exc:  # what its C++ exceptions become: a request that it cannot read
            raise EngineError(str(exc), kind="invalid_request_error") from exc
        if failures:
            raise failures[0]


_engines: WeakSet[LocalEngine] = WeakSet()
_inherited: list[object] = []


def _renew() -> None:
    for engine in list(_engines):
        engine.renew_after_fork()


renew_after_fork(_renew)


def _count(backend: InferenceBackend, key: str) -> int:
    """Return an extra that counts something; 0 leaves it to us."""
    count = backend.get_extra(key, default=0)
    if count < 0:
        msg = f"'{key}' in [backends.{backend.name}] is {count}; the least is 1, and 0 leaves it to the engine"
        raise InferenceRequestError(msg, provider=backend.name)
    return count


def _load(path: Path, *, n_ctx: int, n_threads: int) -> Any:
    """Load a weights file. Nothing is printed, and nothing is reached over the network."""
    import secrets

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.verbosity = 0
    params.use_jinja, params.warmup, params.ui = True, False, False
    params.n_ctx, params.n_parallel, params.n_batch = n_ctx or _DEFAULT_CONTEXT, 1, _PROMPT_BATCH
    params.cpuparams.n_threads = n_threads
    params.cache_ram_mib = 0  # keeps no old prompts: the same call gives the same answer
    # The engine always opens a port as well. It is on loopback, and nobody knows its key.
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [secrets.token_hex(32)]
    try:
        return xllamacpp.Server(params)
    except RuntimeError as exc:
        msg = f"llama.cpp cannot load {path}: it is damaged, is no GGUF file, or there is too little memory"
        raise ModelLoadError(msg) from exc


def default_threads() -> int:
    """Return how many threads to compute on: all cores that this process may use but one.

    A neighbour that shares the last core slows llama.cpp down many times over, since its threads wait for each other.
    """
    import os

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable - 1)


def classify(error: Exception) -> InferenceError | None:
    """Name the kind of inference error that a fault of the engine is."""
    if isinstance(error, ModelLoadError):
        return InferenceModelNotFoundError(str(error))
    if not isinstance(error, EngineError):
        return None
    if error.kind == "exceed_context_size_error":
        return InferenceCapacityError(f"The prompt does not fit: {error}")
    if error.kind in _REQUEST_FAULTS:
        return InferenceRequestError(f"llama.cpp refuses the request: {error}")
    return InferenceServerError(f"llama.cpp failed: {error}")


def make_client(*, sdk: str, backend: InferenceBackend) -> LocalEngine:  # noqa: ARG001
    """Make the engine of a backend. Nothing is loaded before the first call."""
    return LocalEngine(backend=backend)


async def list_models(*, sdk: str, backend: InferenceBackend) -> list[ListedModel]:  # noqa: ARG001
    """List the models that can be called, whether their weights are fetched yet or not."""
    own = backend.get_extra("weights", default="")
    if own:
        from pathlib import Path

        return [ListedModel(id=Path(own).stem, context_window=backend.get_extra("n_ctx", default=0) or None)]
    return [
        ListedModel(id=known.model_id, owner=known.owner, context_window=known.context_window)
        for known in KNOWN_WEIGHTS.values()
    ]
