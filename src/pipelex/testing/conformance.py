"""What every plugin has to do, whatever its family. Authors derive from the class of a family, not from this one."""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import pytest

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceErrorCategory,
    UnsupportedCapabilityError,
)
from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability, InferenceModelSpec
from pipelex.plugins.model_handle import ModelHandle
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.testing.checks import NotConformingError, check, fail, require
from pipelex.testing.fault_kinds import QUICK_FAULTS, check_kind
from pipelex.testing.isolation import Findings, errors_without_sdk, findings_about
from pipelex.testing.loop_thread import ADVICE, LoopThread, LoopWatch, blocks_its_loop
from pipelex.testing.loopback import LoopbackVendor
from pipelex.testing.odd_answers import is_about_usage, is_part_of, met, oddities_of, reason_for
from pipelex.testing.secrets import CANARY, EXTRA_CANARY, SecretHunt
from pipelex.testing.stage import Stage, leaks
from pipelex.testing.vendor import Fault, Trait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.plugins.family import Family
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.testing.odd_answers import Oddity
    from pipelex.testing.vendor import FakeVendor, Waivers

WorkerT = TypeVar("WorkerT", bound=InferenceWorkerAbstract)
ContentT = TypeVar("ContentT")
SceneT = TypeVar("SceneT")

_BATCH = 24  # odd answers that one client meets

GRACE_S = 5.0
"""How long closing a connection or a task may take before it counts as left behind."""

HOOKS = frozenset(
    {
        *("plugin", "vendor", "model", "backend", "prompt", "entry_point"),
        *("sdk", "model_id", "capabilities", "sdk_imports", "extra", "cannot"),
        *("usage_fields", "policy", "time_limit_s", "concurrency", "api_key", "secret_extras"),
        *("essential_keys", "sdk_refuses", "vendor_params"),
    }
)
"""What an author's class may define over the kit's. Everything else is the kit's own, its tests first of all."""


class Conformance(ABC, Generic[WorkerT, ContentT]):
    """The checks of all families, and the hooks by which an author describes a plugin to the kit."""

    # What an author states. ``HOOKS`` is the list of it.

    sdk: ClassVar[str]
    """The sdk under test, as it is registered."""
    model_id: ClassVar[str]
    """The vendor's id of a model."""
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    """What the model declares. All of it is tried, and what is missing from it has to be refused."""
    sdk_imports: ClassVar[tuple[str, ...]] = ()
    """The import names that ``require_sdk`` guards."""
    essential_keys: ClassVar[Mapping[str, str]] = {}
    """Keys without which it is not known that an answer is whole, or where it is, as patterns of ``path = change``
    (``"*type = *"``), each with the reason. The call may then fail; the text of an LLM's answer is on the error."""
    sdk_refuses: ClassVar[Mapping[str, str]] = {}
    """Changes of an answer that the SDK itself refuses, or loses, as patterns likewise, each with the reason."""
    extra: ClassVar[str] = ""
    """The extra that the error about a missing SDK has to name."""
    cannot: ClassVar[Waivers] = {}
    """What does not apply to this plugin, each with the reason; the checks are skipped and the reasons printed."""
    usage_fields: ClassVar[frozenset[str]]
    """The fields of InferenceUsage that the vendor lets a driver know."""
    policy: ClassVar[CallPolicy] = CallPolicy(timeout_s=3.0, max_attempts=1, max_validation_retries=0)
    """How the calls are made: one attempt, so that one fault becomes one error. The short time-out holds where the
    vendor is ordered not to answer; elsewhere ``time_limit_s`` alone does, so that the load of the machine does not
    matter."""
    time_limit_s: ClassVar[float] = 10.0
    """How long one check may take, in seconds; the time-out of ``policy`` has to fire within it."""
    concurrency: ClassVar[int] = 32
    """How many calls run at once where answers must not be mixed."""
    api_key: ClassVar[str] = CANARY
    """The key that the backend holds; it may be seen nowhere."""
    secret_extras: ClassVar[tuple[str, ...]] = ()
    """The names of the backend's extras that hold secrets."""
    entry_point: ClassVar[str | None] = None
    """``module:name`` of the plugin, where it is not simply its class, made without arguments."""

    @abstractmethod
    def plugin(self) -> PipelexPlugin:
        """Return the plugin; a new one each time, or one and the same."""

    @abstractmethod
    def vendor(self) -> FakeVendor[ContentT]:
        """Return a new vendor that takes the kit's orders."""

    def model(self) -> InferenceModelSpec:
        """Return the record of the model. Override it for ``extras`` and the like."""
        return InferenceModelSpec(
            name="kit/model",
            family=self.family,
            backend_name="kit",
            sdk=self.sdk,
            model_id=self.model_id,
            capabilities=self.capabilities,
            policy=self.policy,
        )

    def backend(self, endpoint: str | None) -> InferenceBackend:
        """Return the record of the backend. Override it for extras, or an endpoint with a path.

        Args:
            endpoint: Where the vendor listens.
        """
        return InferenceBackend(name="kit", endpoint=endpoint, policy=self.policy)

    def prompt(self, token: str) -> str:
        """Return what is asked for in words. The token has to be in it where the vendor takes orders."""
        return f"Repeat the word {token} and say nothing else."

    # What a family states.

    token: ClassVar[Family[InferenceWorkerAbstract]]
    """The family; its member, and what its models may declare, follow from it."""
    family: ClassVar[InferenceFamily]
    family_capabilities: ClassVar[tuple[Capability, ...]]
    called_capabilities: ClassVar[tuple[Capability, ...]] = ()
    """Those that have checks of their own."""
    unrefused_capabilities: ClassVar[frozenset[Capability]] = frozenset()
    """Those without which the worker base asks in another way, in place of refusing the job."""
    companions: ClassVar[Mapping[Capability, Capability]] = {}
    """The capability that a job uses together with another one, which means nothing without it."""
    operation: ClassVar[str]

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        if "token" in vars(cls):
            cls.family = cls.token.member
            cls.family_capabilities = tuple(Capability(name) for name in cls.token.capabilities)

    @abstractmethod
    def _answer(self, token: str, capability: Capability | None) -> InferenceResult[ContentT]:
        """Return what the vendor is to answer to the call of a token."""

    @abstractmethod
    async def _call(self, worker: WorkerT, token: str, capability: Capability | None) -> object:
        """Call the worker, with what one capability allows or plainly; return the content."""

    @abstractmethod
    def _call_sync(self, worker: WorkerT, token: str) -> object:
        """Do the plain call by the synchronous twin."""

    @abstractmethod
    def _tokens_in(self, content: object) -> str:
        """Return the words in which a content shows whose answer it is."""

    @abstractmethod
    def _texts_in(self, content: object) -> str:
        """Return the texts of the vendor's answer that a content is made of."""

    def _is_kept(self, error: InferenceError, texts: str) -> bool:  # noqa: ARG002 - for families
        """Return whether the error of an answer that may not be whole keeps what came of it."""
        return True

    @abstractmethod
    def _check_content(self, content: object, expected: InferenceResult[ContentT] | None) -> None:
        """Hold the plain call's content against the order; ``None`` where the vendor takes none."""

    @abstractmethod
    def _check_honoured(self, content: object, capability: Capability) -> None:
        """See whether a content shows that a capability was used, where it can show."""

    # The checks.

    _is_silent = False

    @check(since="1.0")
    def test_importing_the_plugin_is_light(self) -> None:
        """Importing the plugin's module imports the standard library, the SPI and its own package, and no SDK."""
        heavy = self._findings().heavy
        require(
            not heavy,
            f"Importing the plugin's module {'; '.join(heavy)}. Do it where it is needed: inside make_worker, or at "
            "the top of a worker module that make_worker imports.",
        )

    @check(since="1.0")
    def test_register_is_pure(self) -> None:
        """``register`` calls menu methods and nothing else: no file, socket, process, thread or SDK."""
        impure = self._findings().impure
        require(not impure, f"register does more than calling menu methods: it {'; it '.join(impure)}.")

    @check(since="1.0")
    def test_boot_accepts_the_plugin(self) -> None:
        """Boot registers the plugin beside the built-ins: its name, its version and all that it contributes."""
        rejected = self._findings().rejected
        require(not rejected, f"Every start would leave the plugin out: {'; '.join(rejected)}.")

    @check(since="1.0")
    def test_register_is_repeatable(self) -> None:
        """``register`` contributes the same each time, and serves the sdk under test."""
        plugin = self.plugin()
        once, twice = _contributions(plugin), _contributions(plugin)
        require(once == twice, f"register contributed {once} the first time and {twice} the second time.")
        require(f"backend {self.family}/{self.sdk}" in once, f"register serves {once}, not {self.family}/{self.sdk}.")

    @check(since="1.0")
    def test_a_missing_sdk_names_the_extra(self) -> None:
        """Without its SDK, ``make_worker`` and the lister raise MissingDependencyError, which names the extra.

        A lister that returns its rows without the SDK needs none.
        """
        errors = errors_without_sdk(
            entry_point=self._entry_point(),
            sdk_imports=self.sdk_imports,
            model=self._model(),
            backend=self._with_secrets(self.backend("http://127.0.0.1:9")),
        )
        for called, (error, extra, message) in errors.items():
            if called == "the lister" and not error:
                continue
            require(
                error == "MissingDependencyError",
                f"Without {', '.join(self.sdk_imports)}, {called} raised {error or 'nothing'} {message!r} instead of "
                "MissingDependencyError. Call require_sdk(spec=..., extra=..., msg=...) before the import.",
            )
            require(extra == self.extra, f"The error of {called} names the extra '{extra}', not '{self.extra}'.")

    @check(since="1.0")
    def test_the_worker_is_of_the_family(self) -> None:
        """``make_worker`` takes the contract's keywords, and returns a worker of the family with the records."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            worker = self._make(stage)
            base = self.token.load_base()
            require(isinstance(worker, base), f"make_worker returned a {_name_of(worker)}, not a {base.__name__}.")
            require(worker.inference_model == self._model(), "The worker's inference_model is not what it was given.")
            require(worker.reporting_delegate is stage.log, "The worker's reporting_delegate is not what it was given.")

        self._play(scene)

    @check(since="1.0")
    def test_the_client_is_memoized_per_handle(self) -> None:
        """Workers of one handle share one client, built once; another backend has its own."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            self._make(stage)
            self._make(stage)
            model = replace(self._model(), backend_name="kit-two")
            require(
                stage.clients.asked,
                "make_worker never called sdk_clients.get_or_create(handle=..., build=...). A plugin without a client "
                "has the trait Trait.CLIENT in 'cannot', with the reason.",
            )
            require(len(stage.clients.built) == 1, f"Two workers built {len(stage.clients.built)} clients, not one.")
            stage.make_worker(model=model, backend=replace(self._backend(stage), name="kit-two"))
            handles = [ModelHandle.make_for_inference_model(spec) for spec in (self._model(), model)]
            require(
                set(stage.clients.asked) == set(handles) and len(stage.clients.built) == 2,
                f"Clients were asked for by {sorted(set(stage.clients.asked))}, not by {sorted(handles)}: use "
                "ModelHandle.make_for_inference_model(inference_model=inference_model).",
            )

        self._play(scene)

    @check(since="1.0")
    def test_the_plain_call_answers(self) -> None:
        """The family's plain call returns what the vendor sent, whole and unchanged."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            token = new_token()
            content = await self._call(self._make(stage), token, None)
            self._check_content(content, self._answer(token, None) if stage.vendor.takes_orders else None)

        self._play(scene)

    @check(since="1.0")
    def test_the_sync_twin_answers(self) -> None:
        """The synchronous twin of the plain call answers too, twice with one client."""
        with self.vendor() as vendor:
            vendor.answer_with(lambda token: self._answer(token, None))
            stage = Stage[WorkerT, ContentT](plugin=self.plugin(), vendor=vendor)
            worker = self._make(stage)
            try:
                for token in (new_token(), new_token()):
                    self._check_whose(self._call_sync(worker, token), token, vendor)
            finally:
                stage.clients.close()

    @check(since="1.0")
    def test_a_declared_capability_is_honoured(self, declared: Capability) -> None:
        """What the model declares works, and reaches the vendor: it is never dropped without a word."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            worker = self._make(stage)
            token = new_token()
            content = await self._call(worker, token, declared)
            self._check_whose(content, token, stage.vendor)
            self._check_honoured(content, declared)
            if stage.vendor.takes_orders:
                known = len(stage.vendor.requests)
                await self._call(worker, token, self.companions.get(declared))
                sent = list(stage.vendor.requests)
                require(
                    sent[:known] != sent[known:],
                    f"A job with '{declared}' sends the same request as one without: it is dropped. Send it, or do "
                    "not declare it.",
                )

        self._play(scene, capability=declared)

    @check(since="1.0")
    def test_an_undeclared_capability_is_refused(self, undeclared: Capability) -> None:
        """What the model does not declare is refused with UnsupportedCapabilityError, and nothing is sent."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            worker = self._make(stage, without=undeclared)
            try:
                await self._call(worker, new_token(), undeclared)
            except UnsupportedCapabilityError as exc:
                require(exc.capability == undeclared, f"The refusal names '{exc.capability}', not '{undeclared}'.")
            else:
                fail(f"The model does not declare '{undeclared}', and a job that needs it was not refused.")
            require(not stage.vendor.requests, f"A job with the undeclared '{undeclared}' was sent all the same.")

        self._play(scene, capability=undeclared)

    @check(since="1.0")
    def test_usage_is_reported_on_success(self) -> None:
        """A call that succeeds is reported once, with what it used as the vendor counts it."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            token = new_token()
            await self._call(self._make(stage), token, None)
            self._check_record(stage, error=None)
            expected = self._answer(token, None).usage if stage.vendor.takes_orders else None
            usage = stage.log.records[0].usage
            for name in sorted(self.usage_fields):
                got, wanted = getattr(usage, name, None), getattr(expected, name, None)
                require(got, f"The record's usage has no {name}. Map the vendor's count, or see 'usage_fields'.")
                require(wanted in (None, got), f"The record has {name}={got}, the vendor sent {wanted}.")

        self._play(scene)

    @check(since="1.0")
    def test_a_failure_is_reported(self) -> None:
        """A call that fails is reported once, with the name of its error."""
        self._skip_without(Fault.SERVER_ERROR)

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            error = await self._failure(stage)
            self._check_record(stage, error=type(error).__name__)

        self._play(scene, fault=Fault.SERVER_ERROR)

    @check(since="1.0")
    def test_an_error_is_classified(self, fault: Fault) -> None:
        """Each fault becomes its kind of InferenceError, with status, retry verdict and the time to wait."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> InferenceError:
            return await self._failure(stage)

        check_kind(self._play(scene, fault=fault), fault=fault, model=self._model())

    @check(since="1.0")
    def test_a_finished_call_leaves_nothing_behind(self) -> None:
        """When the clients are closed after a call, no connection is open and nothing is dropped unclosed."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            await self._call(self._make(stage), new_token(), None)
            await stage.clients.aclose()
            await self._check_let_go(stage, "finished and the clients closed")

        with leaks() as leaked:
            self._play(scene, is_watched=True)
        require(not leaked, f"Something was dropped without being closed: {'; '.join(leaked)}")

    @check(since="1.0")
    def test_cancellation_leaves_nothing_behind(self) -> None:
        """A call that is cancelled ends at once: no task goes on, its request is let go, the next call works."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            call = asyncio.ensure_future(self._call(self._make(stage), new_token(), None))
            await self._until_under_way(stage, call)
            call.cancel()
            done, _ = await asyncio.wait([call], timeout=GRACE_S)
            require(done, f"The call went on for {GRACE_S:g} s after it was cancelled.")
            require(call.cancelled() or not stage.vendor.takes_orders, f"The call swallowed its cancellation: {call}.")
            await self._check_let_go(stage, "cancelled")
            if stage.vendor.takes_orders:
                stage.vendor.fail_with(None)
            await self._call(self._make(stage), new_token(), None)

        self._play(scene, fault=None if self._is_real() else Fault.TIMEOUT, is_watched=True)

    @check(since="1.0")
    def test_a_timeout_leaves_nothing_behind(self) -> None:
        """A call that the SDK gives up by its own clock lets its request go, and no task goes on."""
        self._skip_without(Fault.TIMEOUT)

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            await self._failure(stage)
            await self._check_let_go(stage, "timed out")

        self._play(scene, fault=Fault.TIMEOUT, is_watched=True)

    @check(since="1.0")
    def test_no_key_is_shown(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The key and the secret extras are in no repr, log, output, report or error, whatever goes wrong."""
        with SecretHunt(secrets=self._secrets()) as hunt:
            for fault in (None, *(fault for fault in QUICK_FAULTS if fault not in self.cannot)):
                self._play(lambda stage: self._show_all(stage, hunt), fault=fault)
        captured = capfd.readouterr()
        hunt.look_at("the standard output", captured.out)
        hunt.look_at("the standard error", captured.err)
        require(not hunt.found, f"The key is shown in {', '.join(hunt.found)}.")

    @check(since="1.0")
    def test_concurrent_calls_do_not_mix(self) -> None:
        """Many calls at once, with one worker, each get their own answer."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            worker = self._make(stage)
            tokens = [new_token() for _ in range(self.concurrency)]
            expected = list(tokens)
            if not stage.vendor.takes_orders:  # a real engine is compared with itself, one call at a time
                expected = [self._tokens_in(await self._call(worker, token, None)) for token in tokens]
            contents = await asyncio.gather(*(self._call(worker, token, None) for token in tokens))
            got = [self._tokens_in(content) for content in contents]
            mixed = [f"{want!r} got {have!r}" for want, have in zip(expected, got, strict=True) if want not in have]
            require(
                not mixed, f"{len(mixed)} of {len(tokens)} calls at once got another's answer: {'; '.join(mixed[:3])}"
            )

        self._play(scene)

    @check(since="1.0")
    def test_a_call_leaves_the_event_loop_free(self) -> None:
        """While a call waits for its answer, the event loop goes on with others: no hook blocks it."""

        async def scene(stage: Stage[WorkerT, ContentT]) -> None:
            worker = self._make(stage)
            if Fault.TIMEOUT in self.cannot:
                blocks = await blocks_its_loop(lambda: self._call(worker, new_token(), None))
                require(not blocks, f"The event loop was blocked during the whole call. {ADVICE}")
                return
            stage.vendor.fail_with(Fault.TIMEOUT)
            call = asyncio.ensure_future(self._call(worker, new_token(), None))
            watch = LoopWatch(stage.vendor.wait_for_request, stage.vendor.close, limit_s=GRACE_S)
            went_on = await watch.sees(call)
            call.cancel()
            await asyncio.wait([call], timeout=GRACE_S)
            require(went_on, f"The event loop was blocked until the call was over, {watch.place}. {ADVICE}")

        self._play(scene)

    # What the checks are made of.

    @pytest.fixture(autouse=True)
    def _kit_is_switched_on(self, request: pytest.FixtureRequest) -> None:
        """Refuse to run unguarded: without the plugin, an overridden check would go unnoticed."""
        if not request.config.pluginmanager.has_plugin("pipelex.testing"):
            pytest.fail('Switch the kit on: pytest_plugins = ["pipelex.testing"] in conftest.py.', pytrace=False)

    def _play(
        self,
        scene: Callable[[Stage[WorkerT, ContentT]], Awaitable[SceneT]],
        *,
        fault: Fault | None = None,
        capability: Capability | None = None,
        answer: Callable[[str], InferenceResult[ContentT]] | None = None,
        is_watched: bool = False,
    ) -> SceneT:
        """Run a scene in a loop of its own: open the vendor, give the orders, close the clients, look for leaks."""
        self._is_silent = fault in {Fault.TIMEOUT, Fault.STALLED}
        _load(self.sdk_imports)
        with self.vendor() as vendor:
            vendor.answer_with(answer or (lambda token: self._answer(token, capability)))
            if fault is not None:
                vendor.fail_with(fault)
            stage = Stage[WorkerT, ContentT](plugin=self.plugin(), vendor=vendor)
            result = LoopThread(self._run(stage, scene), limit_s=self.time_limit_s + 4 * GRACE_S).run()
        require(not is_watched or not stage.leftovers, f"Tasks were left behind: {'; '.join(stage.leftovers)}")
        return result

    async def _run(
        self, stage: Stage[WorkerT, ContentT], scene: Callable[[Stage[WorkerT, ContentT]], Awaitable[SceneT]]
    ) -> SceneT:
        limit = asyncio.timeout(self.time_limit_s)
        try:
            async with limit:
                return await scene(stage)
        except TimeoutError:
            if not limit.expired():
                raise
            fail(
                f"No end within {self.time_limit_s:g} s ('time_limit_s'). Does the SDK repeat calls by itself? Set its "
                "retries to 0. Is its time-out longer? Shorten it by an extra in backend()."
            )
        finally:
            await stage.clients.aclose()
            pending = asyncio.all_tasks() - {asyncio.current_task()}
            if pending:
                _, pending = await asyncio.wait(pending, timeout=GRACE_S / 4)
            stage.leftovers = [repr(task.get_coro()) for task in pending]

    def _make(self, stage: Stage[WorkerT, ContentT], *, without: Capability | None = None) -> WorkerT:
        model = self._model()
        if without is not None:
            model = replace(model, capabilities=model.capabilities - {without})
        return stage.make_worker(model=model, backend=self._backend(stage))

    def _model(self) -> InferenceModelSpec:
        model = self.model()
        return replace(model, policy=self._patient(model.policy))

    def _patient(self, policy: CallPolicy) -> CallPolicy:
        """Put the time-out out of the way unless the vendor is silent: then the limit of the check comes first."""
        return policy if self._is_silent else replace(policy, timeout_s=max(policy.timeout_s, 2 * self.time_limit_s))

    def _backend(self, stage: Stage[WorkerT, ContentT]) -> InferenceBackend:
        return self._with_secrets(self.backend(stage.vendor.endpoint))

    def _with_secrets(self, backend: InferenceBackend) -> InferenceBackend:
        extras = {**backend.extras, "kit_secret": EXTRA_CANARY}
        return replace(backend, api_key=self.api_key, policy=self._patient(backend.policy), extras=extras)

    def _secrets(self) -> tuple[str, ...]:
        extras = self.backend("http://127.0.0.1:9").extras
        return (self.api_key, EXTRA_CANARY, *(str(extras[name]) for name in self.secret_extras))

    def _entry_point(self) -> str:
        kind = type(self.plugin())
        return self.entry_point or f"{kind.__module__}:{kind.__qualname__}"

    def _findings(self) -> Findings:
        return findings_about(self._entry_point(), self.sdk_imports)

    def _is_real(self) -> bool:
        return not self.vendor().takes_orders

    def _skip_without(self, needed: Fault | Trait | FinishReason | Capability) -> None:
        if needed in self.cannot:
            pytest.skip(self.cannot[needed])

    def _skip_undeclared(self, capability: Capability) -> None:
        if capability not in self.capabilities:
            pytest.skip(f"the model does not declare {capability}")

    async def _failure(self, stage: Stage[WorkerT, ContentT]) -> InferenceError:
        """Do the plain call, which has to fail, and return its error."""
        try:
            content = await self._call(self._make(stage), new_token(), None)
        except InferenceError as exc:
            return exc
        msg = f"The call should have failed, and returned {content!r}."
        raise NotConformingError(msg)

    async def _until_under_way(self, stage: Stage[WorkerT, ContentT], call: asyncio.Future[object]) -> None:
        if not stage.vendor.takes_orders:
            await asyncio.sleep(0.02)  # it is not known when an engine in this process has begun
            return
        arrived = asyncio.ensure_future(asyncio.to_thread(stage.vendor.wait_for_request, self.time_limit_s))
        call.add_done_callback(lambda _: arrived.cancel())
        try:
            require(await arrived, "No request came in.")
        except asyncio.CancelledError:
            fail(f"The call ended before its request came in: {call.exception() or call.result()!r}.")

    async def _check_let_go(self, stage: Stage[WorkerT, ContentT], how: str) -> None:
        """See that no request is open any more; a connection kept alive for the next call is closed first."""
        gone = await asyncio.to_thread(stage.vendor.wait_until_let_go, GRACE_S)
        require(gone, f"A connection to the vendor was still open {GRACE_S:g} s after the call was {how}.")

    def _check_whose(self, content: object, token: str, vendor: FakeVendor[ContentT]) -> None:
        got = self._tokens_in(content)
        require(not vendor.takes_orders or token in got, f"The call of {token} got the answer {got!r}.")

    def _check_record(self, stage: Stage[WorkerT, ContentT], *, error: str | None) -> None:
        model, records = self._model(), stage.log.records
        require(len(records) == 1, f"One call was reported {len(records)} times.")
        expected = (self.operation, model.family, model.backend_name, model.sdk, model.name, error)
        record = records[0]
        got = (record.operation, record.family, record.backend_name, record.sdk, record.model, record.error)
        require(got == expected, f"The record has {got}, not {expected}.")
        require(record.duration_s > 0, "The record has no duration.")

    async def _check_half_answer(self, stage: Stage[WorkerT, ContentT], kind: type[InferenceError]) -> None:
        error = await self._failure(stage)
        require(
            isinstance(error, kind), f"Half an answer became {type(error).__name__} ({error}), not {kind.__name__}."
        )

    def _meet_odd_answers(self, capability: Capability | None = None) -> None:
        """Let calls meet each oddity of the vendor's good answer; a client meets some, in the time of one check."""
        oddities = self._play(lambda stage: self._meet(stage, capability, None))
        for start in range(0, len(oddities), _BATCH):
            batch = oddities[start : start + _BATCH]
            self._play(lambda stage, batch=batch: self._meet(stage, capability, batch))  # type: ignore[misc]  # mypy infers no default

    async def _meet(
        self, stage: Stage[WorkerT, ContentT], capability: Capability | None, oddities: Sequence[Oddity] | None
    ) -> list[Oddity]:
        """Make one good call, and one for each oddity; return the oddities that there are."""
        vendor, worker, token = stage.vendor, self._make(stage), new_token()
        if not isinstance(vendor, LoopbackVendor):
            pytest.skip("its vendor's answers are not JSON over HTTP")
        call = partial(self._call, worker, token, capability)
        content, error, replies = await met(vendor, None, call)
        if error is not None:  # where the good answer is not understood, other checks fail
            return []
        whole, usage = self._texts_in(content), stage.log.records[-1].usage
        reported = [name for name in sorted(self.usage_fields) if getattr(usage, name, None) is not None]
        for oddity in oddities or ():
            content, error, _ = await met(vendor, oddity, call)
            texts = self._texts_in(content) if error is None else None
            is_lost = is_part_of(vendor, replies, oddity, whole)
            self._check_oddity(oddity, texts, error, None if is_lost else whole)
            if error is None and not is_about_usage(vendor, replies, oddity):
                usage = stage.log.records[-1].usage
                missing = [name for name in reported if getattr(usage, name, None) is None]
                is_excused = reason_for(oddity, {**self.essential_keys, **self.sdk_refuses}) is not None
                require(is_excused or not missing, f"With {oddity}, the record of the call has no {missing}.")
        return oddities_of(vendor, replies)

    def _check_oddity(self, oddity: Oddity, came: str | None, error: Exception | None, texts: str | None) -> None:
        """Hold the outcome of an odd answer against the rule.

        Args:
            oddity: What was odd.
            came: The texts that came, where the call returned.
            error: What the call raised, where it did.
            texts: The texts that should come; ``None`` where the answer lost a part of them.
        """
        shown = f"With {oddity}, the call" + (
            f" raised {type(error).__name__} ({error})" if error else f" got {came!r:.500}"
        )
        is_refused = reason_for(oddity, self.sdk_refuses) is not None
        is_essential = reason_for(oddity, self.essential_keys) is not None
        if error is None:
            is_shown = came == texts or (is_essential and texts is not None and texts in str(came))
            require(texts is None or is_refused or is_shown, f"{shown}; the vendor sent {texts!r:.500}.")
            return
        is_known = isinstance(error, InferenceError) and error.category is not InferenceErrorCategory.UNKNOWN
        require(is_known, f"{shown}: read answers by pipelex.cogt.inference.answer_parts, which never raises.")
        if texts is None or is_refused or not isinstance(error, InferenceError):
            return
        require(
            is_essential, f"{shown}, although the text is there. Return it, or give the reason in 'essential_keys'."
        )
        require(self._is_kept(error, texts), f"{shown}, and its 'answer' has not the text: {error.answer}.")

    async def _show_all(self, stage: Stage[WorkerT, ContentT], hunt: SecretHunt) -> None:
        """Make one call and look at everything that anybody could print."""
        worker = self._make(stage)
        try:
            await self._call(worker, new_token(), None)
        except InferenceError as exc:
            hunt.look_at_error(exc)
        hunt.look_at("the worker's repr", repr(worker))
        hunt.look_at("the backend's repr", repr(self._backend(stage)))
        hunt.look_at("the report", repr(stage.log.records))
        for client in stage.clients.built:
            hunt.look_at("the client's repr", f"{client!r} {client}")


@cache
def _load(modules: tuple[str, ...]) -> None:
    """Import an SDK before the time of a check begins: on a busy machine that alone may take longer."""
    from importlib import import_module

    for module in modules:
        with suppress(ImportError):  # the check reports more about it
            import_module(module)


_counter = itertools.count(1)


def new_token() -> str:
    """Return a word that no other call of this process bears."""
    return f"kit-{next(_counter):06x}"


def _name_of(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _contributions(plugin: PipelexPlugin) -> list[str]:
    """Describe what a plugin contributes."""
    registrar = PluginRegistrar(plugin_name=plugin.name)
    plugin.register(registrar)
    return [
        *sorted(f"backend {family}/{sdk}" for family, sdk in registrar.inference_backends),
        *sorted(f"lister {sdk}" for sdk in registrar.model_listers),
        *sorted(f"command {name} ({line})" for name, (line, _) in registrar.commands.items()),
    ]
