"""Amazon Bedrock through the two AWS SDKs, behind one interface: boto3 on threads, aiobotocore on the event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from contextlib import aclosing, contextmanager
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from botocore import UNSIGNED
from botocore.exceptions import NoRegionError, ProfileNotFound

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError, InferenceServerError
from pipelex.cogt.inference.answer_parts import field_of, items_of, json_of, usage_of
from pipelex.cogt.inference.daemon_thread import on_daemon_thread
from pipelex.cogt.inference.engine_thread import LoopMailbox
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.plugins.sdk_client_registry import PerLoopClient
from pipelex.providers.bedrock.threads import EventPump, Exchange, show_connections

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

    from pipelex.cogt.model_backends.backend import InferenceBackend

ReturnT = TypeVar("ReturnT")


class BedrockClient(Protocol):
    """What the driver asks of Bedrock, whichever SDK carries it. Requests and answers are those of the AWS API."""

    async def converse(self, request: dict[str, object]) -> dict[str, Any]:
        """Send a Converse request."""
        ...

    def converse_stream(self, request: dict[str, object]) -> AsyncGenerator[dict[str, Any], None]:
        """Send a ConverseStream request and yield its events, the SDK's ``ResponseMetadata`` first."""
        ...

    async def count_tokens(self, request: dict[str, object]) -> dict[str, Any]:
        """Send a CountTokens request."""
        ...

    async def list_foundation_models(self) -> list[dict[str, Any]]:
        """Return the summaries of the models of the region."""
        ...

    async def aclose(self) -> None:
        """Close all connections. May be called again."""
        ...


class _Settings:
    """What both SDKs are told of a backend.

    Args:
        backend: The backend's record; its extras ``region``, ``profile`` and ``control_endpoint`` are read here.
    """

    def __init__(self, backend: InferenceBackend) -> None:
        self.name = backend.name
        self.region = backend.get_extra("region", default="") or None
        self.profile = backend.get_extra("profile", default="") or None
        self._endpoint = backend.endpoint
        self._control_endpoint = backend.get_extra("control_endpoint", default="") or backend.endpoint
        self._api_key = backend.api_key
        self._headers = backend.headers
        self._policy = backend.policy

    def of_service(self, service: str) -> dict[str, Any]:
        """Return the arguments that make the client of a service."""
        endpoint = self._endpoint if service == "bedrock-runtime" else self._control_endpoint
        return {"service_name": service, "endpoint_url": endpoint, "region_name": self.region}

    def options(self) -> dict[str, Any]:
        """Return what the SDK's ``Config`` is made of."""
        options: dict[str, Any] = {
            "connect_timeout": self._policy.connect_timeout_s,
            "read_timeout": self._policy.timeout_s,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "max_pool_connections": self._policy.max_concurrency,
        }
        if self._api_key is not None:
            options["signature_version"] = UNSIGNED  # a Bedrock API key takes the place of a signature
        return options

    def prepare(self, client: Any) -> None:
        """Have a client read answers that are odd, and send headers and an API key, for which it has no setting."""
        client.meta.events.register("before-parse", _refuse_error)
        client.meta.events.register("before-parse.bedrock-runtime.Converse", _drop_odd_fields)
        client.meta.events.register("before-parse.bedrock-runtime.ConverseStream", _require_event_stream)
        headers = dict(self._headers)
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"

        def add_headers(request: Any, **_: object) -> None:
            for name, value in headers.items():
                request.headers[name] = value

        client.meta.events.register("before-send", add_headers)

    @contextmanager
    def named_refusals(self) -> Iterator[None]:
        """Name settings with which no client can be made.

        Raises:
            InferenceRequestError: The region or the profile is not known.
        """
        try:
            yield
        except (NoRegionError, ProfileNotFound) as exc:
            msg = f"{exc} In [backends.{self.name}] the keys are region and profile"
            raise InferenceRequestError(msg, provider=self.name) from exc


class ThreadedBedrock:
    """Bedrock through boto3, one thread for each call under way.

    Args:
        backend: The backend's record.
    """

    def __init__(self, *, backend: InferenceBackend) -> None:
        import boto3

        settings = _Settings(backend)
        make_session = partial(boto3.Session, region_name=settings.region, profile_name=settings.profile)
        self._clients = PerLoopClient(lambda: _LoopThreads(settings, make_session))

    async def converse(self, request: dict[str, object]) -> dict[str, Any]:
        """Send a Converse request."""
        threads = await self._clients.get()
        return await threads.ask("bedrock-runtime", lambda client: dict(client.converse(**request)))

    async def converse_stream(self, request: dict[str, object]) -> AsyncGenerator[dict[str, Any], None]:
        """Send a ConverseStream request and yield its events; leaving early breaks the connection."""
        threads = await self._clients.get()
        async with aclosing(threads.stream(lambda client: client.converse_stream(**request))) as events:
            async for event in events:
                yield event

    async def count_tokens(self, request: dict[str, object]) -> dict[str, Any]:
        """Send a CountTokens request."""
        threads = await self._clients.get()
        return await threads.ask("bedrock-runtime", lambda client: dict(client.count_tokens(**request)))

    async def list_foundation_models(self) -> list[dict[str, Any]]:
        """Return the summaries of the models of the region."""
        threads = await self._clients.get()
        answer = await threads.ask("bedrock", lambda client: client.list_foundation_models())
        return list(answer["modelSummaries"])

    async def aclose(self) -> None:
        """Close all connections, which ends the calls under way. May be called again."""
        await self._clients.aclose()


class _LoopThreads:
    """The clients of boto3 that one event loop uses, and the requests on its threads.

    The threads are daemons of their own rather than a pool's: a pool is as small as the machine, and Python waits for
    its threads before it ends.

    Args:
        settings: The settings of the clients.
        make_session: Makes a session of boto3.
    """

    def __init__(self, settings: _Settings, make_session: Callable[[], Any]) -> None:
        self._settings = settings
        self._clients: dict[str, Any] = {}
        self._exchanges: set[Exchange] = set()
        with self._settings.named_refusals():
            self._session = make_session()

    async def ask(self, service: str, send: Callable[[Any], ReturnT]) -> ReturnT:
        """Send a request. One that is given up ends with its connection."""
        client, exchange = self._client(service), self._begin()
        try:
            return await on_daemon_thread(lambda: exchange.run(lambda: send(client)))
        except asyncio.CancelledError:
            exchange.end()
            raise
        finally:
            self._exchanges.discard(exchange)

    async def stream(self, send: Callable[[Any], Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Send a request and yield the metadata and the events of its answer."""
        client, exchange = self._client("bedrock-runtime"), self._begin()
        events = LoopMailbox[dict[str, Any] | Exception]()
        pump = EventPump(exchange, events)
        try:
            await on_daemon_thread(lambda: pump.open(lambda: send(client)))
            pump.start()
            async for event in events:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            exchange.end()
            self._exchanges.discard(exchange)

    async def aclose(self) -> None:
        """Close all connections."""
        for exchange in list(self._exchanges):
            exchange.end()
        for client in self._clients.values():
            client.close()

    def _begin(self) -> Exchange:
        exchange = Exchange()
        self._exchanges.add(exchange)
        return exchange

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            from botocore.config import Config

            config = Config(**self._settings.options())
            with self._settings.named_refusals():
                client = self._session.client(**self._settings.of_service(service), config=config)
            show_connections(client)
            client.meta.events.register("before-parse.bedrock-runtime.Converse", _refuse_short_body)
            self._settings.prepare(client)
            self._clients[service] = client
        return self._clients[service]


def _refuse_short_body(response_dict: dict[str, Any], **_: object) -> None:
    """Refuse an answer that ended before its length: botocore tells urllib3 not to look, and parses what came.

    Raises:
        InferenceServerError: Bytes are missing.
    """
    stated, body = response_dict["headers"].get("content-length", ""), response_dict["body"]
    if stated.isdecimal() and len(body) < int(stated):
        msg = f"The connection broke before the answer was whole: {len(body)} of {stated} bytes came"
        raise InferenceServerError(msg)


_FIELDS = {"output": dict, "stopReason": str, "usage": dict, "metrics": dict}


def _refuse_error(response_dict: dict[str, Any], **_: object) -> None:
    """Raise the error of a proxy or a gateway before AWS: botocore finds the sentence of AWS's own bodies alone.

    Raises:
        InferenceError: Of the kind that status, codes and sentence mean.
    """
    status, body = response_dict["status_code"], response_dict["body"]
    if status < 300 or not body:
        return
    value = json_of(body)
    if not isinstance(value, dict) or not any(isinstance(value.get(name), str) for name in ("message", "Message")):
        headers = {str(name): str(text) for name, text in response_dict["headers"].items()}
        raise InferenceError.from_body(body, status_code=status, headers=headers)


def _require_event_stream(response_dict: dict[str, Any], **_: object) -> Awaitable[None] | None:
    """Refuse an answer that is no stream of events, where one was asked for: botocore would call it damaged.

    Returns:
        With aiobotocore, which reads a body asynchronously, what does so.

    Raises:
        InferenceError: The error that the body announces, of its kind, or one that shows it.
    """
    content_type = response_dict["headers"].get("content-type", "").partition(";")[0]
    if response_dict["status_code"] >= 300 or ("json" not in content_type and "text" not in content_type):
        return None
    body = response_dict["body"].read()
    if isinstance(body, Awaitable):
        return _refuse_unread(body, content_type)
    raise InferenceError.from_answer(body, expected="a stream", content_type=content_type)


async def _refuse_unread(body: Awaitable[bytes], content_type: str) -> None:
    raise InferenceError.from_answer(await body, expected="a stream", content_type=content_type)


def _drop_odd_fields(response_dict: dict[str, Any], **_: object) -> None:
    """Take what is of another type than documented out of an answer: botocore would refuse the whole of it.

    Raises:
        InferenceError: It is no answer of Converse; the error that it announces, of its kind, or one that shows it.
    """
    if response_dict["status_code"] >= 300:
        return
    answer = json_of(response_dict["body"])
    message = next(iter(items_of(field_of(answer, "output", "message"))), None)
    if not isinstance(answer, dict) or not isinstance(message, dict):
        raise InferenceError.from_answer(response_dict["body"], expected="an answer of Bedrock's Converse")
    kept: dict[str, Any] = {
        name: value for name, value in answer.items() if isinstance(value, _FIELDS.get(name, object))
    }
    blocks = [block for block in items_of(message.get("content")) if isinstance(block, dict)]
    kept["output"] = {"message": {**message, "content": blocks}}
    if "usage" in kept:
        counts = {name: usage_of(kept["usage"], input_tokens=name) for name in kept["usage"]}
        kept["usage"] = {name: count.input_tokens for name, count in counts.items() if count is not None}
    if kept != answer or not response_dict["body"].startswith(b"{"):
        response_dict["body"] = json.dumps(kept).encode()


class LoopBedrock:
    """Bedrock through aiobotocore, on the event loop of the caller.

    Args:
        backend: The backend's record.
    """

    def __init__(self, *, backend: InferenceBackend) -> None:
        from aiobotocore.session import AioSession

        self._settings = _Settings(backend)
        self._session = AioSession(profile=self._settings.profile)
        self._runtimes = PerLoopClient(lambda: _Opening(lambda: self._open("bedrock-runtime")))

    async def converse(self, request: dict[str, object]) -> dict[str, Any]:
        """Send a Converse request."""
        client = await (await self._runtimes.get()).client()
        return dict(await client.converse(**request))

    async def converse_stream(self, request: dict[str, object]) -> AsyncGenerator[dict[str, Any], None]:
        """Send a ConverseStream request and yield its events; leaving early closes the connection."""
        client = await (await self._runtimes.get()).client()
        answer = await client.converse_stream(**request)
        stream = answer["stream"]
        try:
            yield {"ResponseMetadata": answer.get("ResponseMetadata")}
            async for event in stream:
                yield event
        finally:
            stream.close()

    async def count_tokens(self, request: dict[str, object]) -> dict[str, Any]:
        """Send a CountTokens request."""
        client = await (await self._runtimes.get()).client()
        return dict(await client.count_tokens(**request))

    async def list_foundation_models(self) -> list[dict[str, Any]]:
        """Return the summaries of the models of the region."""
        client = await self._open("bedrock")
        try:
            return list((await client.list_foundation_models())["modelSummaries"])
        finally:
            await client.close()

    async def aclose(self) -> None:
        """Close all connections. May be called again."""
        await self._runtimes.aclose()

    async def _open(self, service: str) -> Any:
        from aiobotocore.config import AioConfig

        config = AioConfig(**self._settings.options(), http_session_cls=_session_class())
        with self._settings.named_refusals():
            context = self._session.create_client(**self._settings.of_service(service), config=config)
            client = await context.__aenter__()  # closed by its own close(), later and elsewhere
        self._settings.prepare(client)
        return client


@cache
def _session_class() -> type[Any]:
    """Return the class of aiobotocore's HTTP sessions, whose requests follow no redirect: nor do those of boto3."""
    from aiobotocore.httpsession import AIOHTTPSession

    class Session(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)
            return SimpleNamespace(request=partial(session.request, allow_redirects=False))

    return Session


class _Opening:
    """A client that is opened by the first call of a loop, for all of them.

    Args:
        open_client: Opens it; tried again by the next call where it failed.
    """

    def __init__(self, open_client: Callable[[], Coroutine[object, object, Any]]) -> None:
        self._open_client = open_client
        self._task: asyncio.Task[Any] | None = None

    async def client(self) -> Any:
        """Return the client. A caller who gives up while it is opened does not take it from the others."""
        if self._task is None or (self._task.done() and not self._is_open(self._task)):
            self._task = asyncio.create_task(self._open_client())
        return await asyncio.shield(self._task)

    async def aclose(self) -> None:
        """Close the client, if it was ever opened."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._is_open(self._task):
            await self._task.result().close()

    @staticmethod
    def _is_open(task: asyncio.Task[Any]) -> bool:
        return not task.cancelled() and task.exception() is None


def make_client(*, sdk: str, backend: InferenceBackend) -> BedrockClient:
    """Make the client of a backend. Nothing is sent before the first call.

    Args:
        sdk: ``"bedrock_boto3"`` or ``"bedrock_aioboto"``.
        backend: The backend's record.

    Raises:
        InferenceRequestError: The region or the profile is not known.
    """
    return LoopBedrock(backend=backend) if sdk == "bedrock_aioboto" else ThreadedBedrock(backend=backend)


async def list_models(*, sdk: str, backend: InferenceBackend) -> list[ListedModel]:
    """List the foundation models of the region; AWS returns them all at once, and says neither age nor context."""
    async with aclosing(make_client(sdk=sdk, backend=backend)) as client:
        summaries = await client.list_foundation_models()
    return ListedModel.rows_of(summaries)
