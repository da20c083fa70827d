"""A key planted in every backend is seen nowhere, whatever goes wrong: with every driver and every fault of the matrix.

The vendor is as careless as one can be: its refusals repeat all that it was sent.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cli.main import main
from pipelex.cogt.exceptions import InferenceError
from pipelex.plugins.exceptions import BrokenPluginError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.openai.llm import OpenAICompletionsWorker
from pipelex.redaction import keep_secret
from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import LoopbackVendor
from pipelex.testing.secrets import CANARY, EXTRA_CANARY, SecretHunt
from pipelex.testing.vendor import Fault
from tests.providers.faults.drivers import DRIVERS, IMPATIENT, PATIENT, heavy_but, play

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.testing.loopback import HttpReply, HttpRequest
    from pipelex.testing.stage import Stage
    from tests.providers.faults.drivers import AnyDriver

pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),  # of Hugging Face's own call
    pytest.mark.usefixtures("pauses"),
]

SECRETS = (CANARY, EXTRA_CANARY)


@pytest.fixture(autouse=True)
def _keys_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the planted keys be known, as they are once the configuration is read."""
    for name, secret in zip(("CANARY", "EXTRA_CANARY"), SECRETS, strict=True):
        monkeypatch.setenv(name, secret)
        keep_secret(secret)


@pytest.fixture(autouse=True)
def _no_answers_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the one log that holds whole answers, at DEBUG, and so what a vendor like ours repeats."""
    monkeypatch.setattr(logging.getLogger("botocore.parsers"), "level", logging.INFO)


COMMANDS = {
    InferenceFamily.LLM: ("llm", "Hello"),
    InferenceFamily.IMG_GEN: ("img-gen", "A cat", "--out", "images"),
    InferenceFamily.EXTRACT: ("extract", "https://127.0.0.1:9/a.pdf"),
    InferenceFamily.SEARCH: ("search", "cats"),
}


def leaks_of(name: str, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Let a driver meet every fault; return the places where a secret is seen."""
    driver = DRIVERS[name]
    with SecretHunt(secrets=SECRETS) as hunt:
        for fault in (None, *Fault):
            with driver.vendor() as vendor:
                vendor.fail_with(fault)
                _repeat_what_came(vendor)
                client = replace(IMPATIENT if fault in {Fault.TIMEOUT, Fault.STALLED} else PATIENT, max_attempts=1)
                play(driver, _looking(driver, hunt), vendor=vendor, worker=client, client=client)
    hunt.look_at("the output", "".join(capfd.readouterr()))
    return hunt.found


@pytest.mark.parametrize("name", heavy_but("openai", "mistral llm"))
def test_the_key_is_seen_nowhere(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert [] == leaks_of(name, capfd)


def test_a_planted_leak_is_found(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(OpenAICompletionsWorker, "__repr__", lambda worker: f"a worker with {CANARY}")
    assert ["the worker"] == leaks_of("openai", capfd)


@pytest.mark.parametrize("name", heavy_but("openai", "mistral llm"))
def test_the_command_line_shows_no_key(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    driver = DRIVERS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELEX_TRUST", str(tmp_path))
    monkeypatch.setenv("PIPELEX_TRACEBACK", "1")
    with SecretHunt(secrets=SECRETS) as hunt:
        for fault in (Fault.UNAUTHORIZED, Fault.MALFORMED, Fault.CONNECTION_REFUSED):
            with driver.vendor() as vendor:
                vendor.answer_with(lambda token: driver._answer(token, None))
                vendor.fail_with(fault)
                _repeat_what_came(vendor)
                _configure(tmp_path, driver, vendor.endpoint)
                for options in ((), ("--json",)):
                    assert 1 == main([*COMMANDS[driver.family], "--model", "canary/the-model", *options])
        hunt.look_at("the output", shown := "".join(capfd.readouterr()))
    assert [] == hunt.found
    assert "[redacted]" in shown
    assert '"error": "InferenceAuthenticationError"' in shown


def test_a_crash_shows_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def crash(**_: object) -> None:
        raise RuntimeError(f"a fault in a driver's code, which shows {CANARY}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELEX_TRUST", str(tmp_path))
    monkeypatch.setattr("pipelex.providers.openai.client.make_client", crash)
    _configure(tmp_path, DRIVERS["openai"], "http://127.0.0.1:9")
    assert 1 == main(["llm", "Hello", "--model", "canary/the-model"])
    monkeypatch.setenv("PIPELEX_TRACEBACK", "1")
    with pytest.raises(BrokenPluginError, match="which shows") as caught:
        main(["llm", "Hello", "--model", "canary/the-model"])
    with SecretHunt(secrets=SECRETS) as hunt:
        hunt.look_at_error(caught.value)
        hunt.look_at("the output", "".join(capfd.readouterr()))
    assert [] == hunt.found


def _looking(driver: AnyDriver, hunt: SecretHunt) -> Any:
    """Make the scene of one call, after which everything is looked at that anybody could print."""

    async def scene(stage: Stage[Any, Any], worker: Any) -> None:
        try:
            hunt.look_at("the answer", repr(await driver._call(worker, new_token(), None)))
        except InferenceError as exc:
            hunt.look_at_error(exc)
        hunt.look_at("the worker", f"{worker!r} {worker}")
        hunt.look_at("the model", repr(worker.inference_model))
        hunt.look_at("the backend", repr(driver._with_secrets(driver.backend("http://127.0.0.1:9"))))
        hunt.look_at("the report", repr(stage.log.records))
        for client in stage.clients.built:
            hunt.look_at("the client", f"{client!r} {client}")

    return scene


def _repeat_what_came(vendor: object) -> None:
    """Let the vendor's refusals repeat the headers and the address of the request in every text that they hold."""
    assert isinstance(vendor, LoopbackVendor)
    serve = vendor.server.serve

    def repeating(request: HttpRequest) -> HttpReply:
        reply = serve(request)
        if reply.status < 400:
            return reply
        came = f" ({request.target} {dict(request.headers)})"
        return replace(reply, body=json.dumps(_with_text(json.loads(reply.body), came)).encode())

    vendor.server.serve = repeating


def _with_text(data: object, text: str) -> object:
    if isinstance(data, dict):
        return {name: _with_text(value, text) for name, value in data.items()}
    return data + text if isinstance(data, str) else data


def _configure(folder: Path, driver: AnyDriver, endpoint: str | None) -> None:
    """Write the configuration of a backend with two keys, which stand in the environment."""
    backend = driver.backend(endpoint)
    extras = {**backend.extras, "provider_key": "${EXTRA_CANARY}", "kit_secret": "${EXTRA_CANARY}"}
    lines = [
        "[backends.canary]",
        'api_key = "${CANARY}"',
        f"endpoint = {json.dumps(backend.endpoint)}",
        "max_attempts = 1",
        *(f"{name} = {json.dumps(value)}" for name, value in extras.items()),
        f"[backends.canary.{driver.family.value}]",
        f'sdk = "{driver.sdk}"',
        f"capabilities = {json.dumps(sorted(driver.capabilities))}",
    ]
    (folder / ".pipelex").mkdir(exist_ok=True)
    (folder / ".pipelex" / "pipelex.toml").write_text("\n".join(lines))
