from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acme.environment import Environment

MODEL = "acme/acme-small"


def test_the_plugin_is_discovered_by_its_entry_point(full: Environment) -> None:
    done = full.pipelex("plugins", "list", "--json")
    assert (0, "") == (done.returncode, done.stderr)
    [row] = [row for row in json.loads(done.stdout)["plugins"] if row["name"] == "acme"]
    assert ("external", "active", 1) == (row["origin"], row["status"], row["targets_api"])
    assert ("pipelex-example-acme", "0.1.0") == (row["distribution"], row["version"])
    contributed = [(entry["kind"], entry["family"], entry["sdk"]) for entry in row["contributions"]]
    assert [("inference_backend", "llm", "acme"), ("model_lister", None, "acme")] == contributed


def test_the_table_of_plugins_names_it(full: Environment) -> None:
    done = full.pipelex("plugins", "list")
    assert 0 == done.returncode
    [line] = [line for line in done.stdout.splitlines() if line.startswith("acme ")]
    assert ["acme", "active", "external", "pipelex-example-acme", "0.1.0"] == line.split()[:5]


def test_a_prompt_is_answered(full: Environment) -> None:
    done = full.pipelex("llm", "hello", "--model", MODEL, "--system", "be brief")
    assert (0, "[be brief] You said: hello\n", "") == (done.returncode, done.stdout, done.stderr)


def test_a_streamed_answer_is_the_same_text(full: Environment) -> None:
    done = full.pipelex("llm", "one two three", "--model", MODEL, "--stream")
    assert (0, "You said: one two three\n", "") == (done.returncode, done.stdout, done.stderr)


def test_an_answer_fits_the_schema_of_a_file(full: Environment, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    properties = {"title": {"type": "string"}, "words": {"type": "integer"}}
    schema.write_text(json.dumps({"type": "object", "properties": properties, "required": ["title", "words"]}))
    done = full.pipelex("llm", "hello there", "--model", MODEL, "--schema", str(schema))
    assert (0, "") == (done.returncode, done.stderr)
    assert {"title": "hello there", "words": 2} == json.loads(done.stdout)


def test_as_json_the_answer_stands_beside_what_it_used(full: Environment) -> None:
    answer = json.loads(full.pipelex("llm", "hello", "--model", MODEL, "--json").stdout)
    assert ("You said: hello", "acme", "acme-small") == (answer["text"], answer["sdk"], answer["model_served"])
    assert {"input_tokens": 1, "output_tokens": 3} == answer["usage"]
    assert answer["cost_usd"] is None


def test_a_failure_is_one_message_and_no_traceback(full: Environment) -> None:
    done = full.pipelex("llm", "fail with 429", "--model", MODEL)
    assert (1, "") == (done.returncode, done.stdout)
    assert "error: [acme] You asked for a 429" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_is_not_accepted_appears_in_no_message(full: Environment) -> None:
    done = full.with_variables(ACME_API_KEY="a-very-secret-key").pipelex("llm", "hello", "--model", MODEL, "--json")
    assert 1 == done.returncode
    assert "InferenceAuthenticationError" == json.loads(done.stderr.splitlines()[-1])["error"]
    assert "secret" not in done.stdout + done.stderr


def test_the_models_are_listed_in_a_table(full: Environment) -> None:
    done = full.pipelex("show", "models", "acme")
    assert (0, "") == (done.returncode, done.stderr)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [["acme-small", "2025-01-01", "acme", "4096"], ["acme-large", "2026-01-01", "acme", "32768"]] == rows


def test_the_models_are_listed_flat(full: Environment) -> None:
    done = full.pipelex("show", "models", "acme", "--flat")
    assert (0, "acme-small\nacme-large\n", "") == (done.returncode, done.stdout, done.stderr)


def test_the_models_are_listed_as_json(full: Environment) -> None:
    done = full.pipelex("show", "models", "acme", "--json")
    [listing] = json.loads(done.stdout)["sdks"]
    assert "acme" == listing["sdk"]
    assert {
        "id": "acme-small",
        "created": "2025-01-01T00:00:00+00:00",
        "owner": "acme",
        "context_window": 4096,
    } == listing["models"][0]


def test_a_listing_that_fails_is_named(full: Environment) -> None:
    done = full.with_variables(ACME_API_KEY="another-key").pipelex("show", "models", "acme", "--json")
    assert 1 == done.returncode
    [listing] = json.loads(done.stdout)["sdks"]
    assert ("InferenceAuthenticationError", 401) == (listing["error"]["error"], listing["error"]["status_code"])
