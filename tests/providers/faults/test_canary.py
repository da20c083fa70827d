"""A key planted in every backend is seen nowhere, whatever goes wrong: with every driver and every fault of the matrix.

The vendor is as careless as one can be: its refusals repeat all that it was sent.
"""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from pipelex.cli.main import main
from pipelex.cli.output import write_error
from pipelex.cogt.exceptions import InferenceAuthenticationError, InferenceError
from pipelex.plugins.exceptions import BrokenPluginError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.openai.llm import OpenAICompletionsWorker
from pipelex.redaction import keep_secret
from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import LoopbackVendor
from pipelex.testing.secrets import CANARY, EXTRA_CANARY, SecretHunt
from pipelex.testing.vendor import Fault
from tests.heavy import heavy_but
from tests.providers.faults.drivers import DRIVERS, IMPATIENT, PATIENT, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipelex.exceptions import PipelexError
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


@pytest.mark.parametrize("name", heavy_but("openai", "mistral llm", names=DRIVERS))
def test_the_key_is_seen_nowhere(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert [] == leaks_of(name, capfd)


def test_a_planted_leak_is_found(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(OpenAICompletionsWorker, "__repr__", lambda worker: f"a worker with {CANARY}")
    assert ["the worker"] == leaks_of("openai", capfd)


@pytest.mark.parametrize("name", heavy_but("openai", "mistral llm", names=DRIVERS))
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


HEAD, TAIL = "Kq7HeadZx91", "Wm4TailYv82"
ODD_KEYS = {
    "a trailing newline": f"{HEAD}{TAIL}\n",
    "spaces around": f"  {HEAD}{TAIL}  ",
    "a quote": f"{HEAD}'\"{TAIL}",
    "a backslash": f"{HEAD}\\{TAIL}",
    "a tab": f"{HEAD}\t{TAIL}",
    "a line break": f"{HEAD}\r\n{TAIL}",
    "two words": f"{HEAD}  {TAIL}",
    "a percent sign": f"{HEAD}%2F%{TAIL}",
    "not ASCII": f"{HEAD}\xe9\u4e2d{TAIL}",
    "base64": f"{HEAD}+/{'q+/Z' * 60}{TAIL}==",
    "a user and a password": f"{HEAD}:{TAIL}",
    "markup": f"<b>{HEAD}</b>&amp;{TAIL}",
    "all at once": f"{HEAD}:'\"\\ %41<b>+/  {TAIL}=\n",
}
PLACES = {
    "the key": 'api_key = "${ODD}"',
    "a header": 'api_key = "plain-key"\nx_auth = "${ODD}"',
    "a part of a header": 'api_key = "plain-key"\nx_auth = "Bearer ${ODD}"',
    "a header by name": 'api_key = "plain-key"\nextra_headers = { Via-Account = "${ODD}" }',
    "a second key": 'api_key = "plain-key"\nprovider_key = "${ODD}"',
}
ONE_OF_EACH_LIBRARY = ("openai", "anthropic", "google llm", "mistral llm", "bedrock_boto3")


@pytest.fixture
def shown_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Run the command line in a trusted folder; collect the errors that it shows."""
    errors: list[BaseException] = []

    def noted(error: PipelexError, **options: Any) -> None:
        errors.append(error)
        write_error(error, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELEX_TRUST", str(tmp_path))
    for module in ("main", "extract"):  # each of which writes errors
        monkeypatch.setattr(f"pipelex.cli.{module}.write_error", noted)
    return errors


def odd_leaks_of(
    name: str, odd: str, place: str, commands: Iterable[tuple[str, ...]], errors: list[BaseException], capfd: Any
) -> list[str]:
    """Run commands with an odd value in one place of a backend's table; return where a part of it is seen."""
    driver = DRIVERS[name]
    parts = (HEAD[:6], TAIL[:6], *(b64encode(b" " * n + HEAD.encode()).decode()[4:14] for n in range(3)))
    with SecretHunt(secrets=parts) as hunt, pytest.MonkeyPatch.context() as patch, driver.vendor() as vendor:
        patch.setenv("ODD", odd)
        vendor.answer_with(lambda token: driver._answer(token, None))
        vendor.fail_with(Fault.UNAUTHORIZED)
        _repeat_what_came(vendor)
        _configure(Path.cwd(), driver, vendor.endpoint, secrets=PLACES[place])
        for command in commands:
            main([*command])
            hunt.look_at(" ".join(command), "".join(capfd.readouterr()))
        for error in errors:
            hunt.look_at_error(error)
    return [where for where in hunt.found if not where.startswith("the log '") or "'pipelex" in where]


@pytest.mark.parametrize("name", ONE_OF_EACH_LIBRARY)
def test_no_part_of_an_odd_key_is_seen(
    name: str, shown_errors: list[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    command = (*COMMANDS[DRIVERS[name].family], "--model", "canary/the-model", "--json")
    assert [] == odd_leaks_of(name, ODD_KEYS["all at once"], "a part of a header", [command], shown_errors, capfd)
    assert [InferenceAuthenticationError] == [type(error) for error in shown_errors]


@pytest.mark.heavy
@pytest.mark.parametrize("odd", ODD_KEYS)
@pytest.mark.parametrize("name", DRIVERS)
def test_no_part_of_any_odd_key_is_seen_wherever_it_is_configured(
    name: str, odd: str, shown_errors: list[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    command = (*COMMANDS[DRIVERS[name].family], "--model", "canary/the-model")
    commands = (command, (*command, "--json"), ("show", "models", "canary"), ("show", "models", "canary", "--json"))
    leaks = {place: odd_leaks_of(name, ODD_KEYS[odd], place, commands, shown_errors, capfd) for place in PLACES}
    assert {} == {place: found for place, found in leaks.items() if found}
    assert shown_errors


@pytest.mark.parametrize("odd", heavy_but("all at once", "not ASCII", names=ODD_KEYS))
def test_the_diagnosis_shows_no_part_of_an_odd_key(
    odd: str, shown_errors: list[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    commands = (("doctor",), ("doctor", "--json"))
    assert [] == odd_leaks_of("openai", ODD_KEYS[odd], "a part of a header", commands, shown_errors, capfd)


def test_a_planted_leak_of_a_part_is_found(
    monkeypatch: pytest.MonkeyPatch, shown_errors: list[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelex.config.settings.keep_secret", lambda value: None)
    command = (*COMMANDS[InferenceFamily.LLM], "--model", "canary/the-model")
    odd = ODD_KEYS["a user and a password"]
    found = odd_leaks_of("openai", odd, "a part of a header", [command], shown_errors, capfd)
    assert {" ".join(command), "InferenceAuthenticationError.to_dict()"} <= set(found)


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


@pytest.fixture
def run_over_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[list[str], set[str]]]:
    """Run many rows that are all refused, twice; return in which files a key is seen, and which were looked at.

    They are looked at while the run goes on, too: the log of an SQLite file is gone when it is closed.
    """
    driver = DRIVERS["openai"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELEX_TRUST", str(tmp_path))
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"text": f"row {n}"}) for n in range(4)))

    def run() -> tuple[list[str], set[str]]:
        looked_at: set[str] = set()

        def look() -> None:
            for path in tmp_path.rglob("*"):
                if path.is_file() and path.parent.name != ".pipelex":
                    looked_at.add(path.name)
                    hunt.look_at(path.name, path.read_bytes().decode("latin-1"))

        with SecretHunt(secrets=SECRETS) as hunt, driver.vendor() as vendor:
            vendor.answer_with(lambda token: driver._answer(token, None))
            vendor.fail_with(Fault.UNAUTHORIZED)
            _repeat_what_came(vendor, meanwhile=look)
            _configure(tmp_path, driver, vendor.endpoint)
            command = [
                "map",
                "rows.jsonl",
                "--prompt",
                "{text}",
                "-m",
                "canary/the-model",
                "-o",
                "out.jsonl",
                "--usage",
            ]
            assert [1, 1] == [main(command), main([*command, "--retry-failed"])]
            look()
        return [where for where in hunt.found if not where.startswith("the log")], looked_at

    return run


def test_no_file_of_a_run_over_many_rows_holds_a_key(
    run_over_rows: Callable[[], tuple[list[str], set[str]]], capfd: pytest.CaptureFixture[str]
) -> None:
    found, looked_at = run_over_rows()
    assert [] == found
    assert {"out.jsonl", "out.jsonl.ledger", "out.jsonl.ledger-wal"} <= looked_at
    assert "[redacted]" in Path("out.jsonl").read_text()
    assert main(["map", "--report", "out.jsonl", "--json"]) in {0, 1}
    shown = "".join(capfd.readouterr())
    assert "InferenceAuthenticationError" in shown
    assert not any(secret in shown for secret in SECRETS)


def test_a_planted_leak_into_a_file_is_found(
    run_over_rows: Callable[[], tuple[list[str], set[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelex.redaction._secrets", set())
    monkeypatch.setattr("pipelex.config.settings.keep_secret", lambda value: None)
    assert {"out.jsonl", "out.jsonl.ledger"} <= set(run_over_rows()[0])


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


def _repeat_what_came(vendor: object, *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Let the vendor's refusals repeat the headers and the address of the request in every text that they hold."""
    assert isinstance(vendor, LoopbackVendor)
    serve = vendor.server.serve

    def repeating(request: HttpRequest) -> HttpReply:
        meanwhile()
        reply = serve(request)
        if reply.status < 400:
            return reply
        secret = [value for value in request.headers.values() if "canary" in value or HEAD in value]
        words = [value.removeprefix("Bearer ") for value in secret]  # what no cut may leave out comes first
        came = f" ({words} {[word.split() for word in words]} {json.dumps(words)} {quote(''.join(words))}"
        came += f" {[b64encode(word.encode()) for word in words]} {request.target} {dict(request.headers)})"
        return replace(reply, body=json.dumps(_with_text(json.loads(reply.body), came)).encode())

    vendor.server.serve = repeating


def _with_text(data: object, text: str) -> object:
    if isinstance(data, dict):
        return {name: _with_text(value, text) for name, value in data.items()}
    return data + text if isinstance(data, str) else data


TWO_KEYS = 'api_key = "${CANARY}"\nprovider_key = "${EXTRA_CANARY}"\nkit_secret = "${EXTRA_CANARY}"'


def _configure(folder: Path, driver: AnyDriver, endpoint: str | None, *, secrets: str = TWO_KEYS) -> None:
    """Write the configuration of a backend with the lines of its keys, which come from the environment."""
    backend = driver.backend(endpoint)
    extras = {key: value for key, value in backend.extras.items() if f"{key} =" not in secrets}
    lines = [
        "[backends.canary]",
        secrets,
        f"endpoint = {json.dumps(backend.endpoint)}",
        "max_attempts = 1",
        *(f"{name} = {json.dumps(value)}" for name, value in extras.items()),
        f"[backends.canary.{driver.family.value}]",
        f'sdk = "{driver.sdk}"',
        f"capabilities = {json.dumps(sorted(driver.capabilities))}",
    ]
    (folder / ".pipelex").mkdir(exist_ok=True)
    (folder / ".pipelex" / "pipelex.toml").write_text("\n".join(lines))
