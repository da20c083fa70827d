from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"$ref": "#/$defs/age"}},
    "required": ["name"],
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


def test_the_answer_goes_to_stdout(terminal: Terminal) -> None:
    assert (0, "echo: hello\n", "") == terminal.run("llm", "hello")


@pytest.mark.parametrize("arguments", [["llm"], ["llm", "-"]])
def test_standard_input_is_a_prompt(terminal: Terminal, arguments: list[str]) -> None:
    assert (0, "echo: two\nlines\n", "") == terminal.run(*arguments, stdin="two\nlines\n")


@pytest.mark.parametrize(("arguments", "stdin"), [(["llm"], None), (["llm"], " \n"), (["llm", ""], None)])
def test_no_prompt_is_misuse(terminal: Terminal, arguments: list[str], stdin: str | None) -> None:
    outcome = terminal.run(*arguments, stdin=stdin)
    assert (2, "") == (outcome.code, outcome.out)
    assert "There is no prompt" in outcome.err


def test_every_option_reaches_the_job(terminal: Terminal) -> None:
    picture = terminal.write("a.png", "png")
    options = ["-s", "S", "--temperature=0", "--max-tokens=5", "--seed=3", "--stop=x", "--stop=y", "--image"]
    assert terminal.run("llm", "hello", *options, picture).code == 0
    [job] = terminal.plugin.jobs
    assert isinstance(job, LLMJob)
    assert job.prompt.system_text == "S"
    assert [(picture, "image/png")] == [(image.path, image.media_type()) for image in job.prompt.images]
    assert job.params == LLMJobParams(temperature=0, max_tokens=5, seed=3, stop=("x", "y"))


def test_a_missing_image_is_misuse(terminal: Terminal) -> None:
    outcome = terminal.run("llm", "hello", "--image", "nope.png")
    assert (2, []) == (outcome.code, terminal.plugin.jobs)
    assert "nope.png: there is no such file" in outcome.err


def test_json_tells_the_answer_and_the_call(terminal: Terminal) -> None:
    data = terminal.run("llm", "hello", "--json").data
    assert ("echo: hello", ["text"]) == (data["text"], [part["kind"] for part in data["parts"]])
    assert {"input_tokens": 1, "output_tokens": 2} == data["usage"]
    assert ("fake/talker", "fake", "fake", None) == (data["model"], data["backend"], data["sdk"], data["cost_usd"])


def test_a_stream_is_written_in_pieces(terminal: Terminal) -> None:
    assert (0, "one two\n", "") == terminal.run("llm", "hello", "--stream")


def test_a_stream_as_json_is_an_object_a_line(terminal: Terminal) -> None:
    lines = [json.loads(line) for line in terminal.run("llm", "hello", "--stream", "--json").out.splitlines()]
    assert ["one ", "two", ""] == [line["text"] for line in lines]
    assert {"output_tokens": 2} == lines[-1]["usage"]


def test_a_failed_call_ends_with_1(terminal: Terminal) -> None:
    outcome = terminal.run("llm", "fail")
    assert (1, "") == (outcome.code, outcome.out)
    assert outcome.err.startswith("error: [fake] The request")
    assert "Traceback" not in outcome.err


def test_it_is_written_that_calls_wait_for_a_backend_that_cannot_be_reached(terminal: Terminal) -> None:
    outcome = terminal.run("llm", "unreachable")
    waiting, failed, _ = outcome.err.splitlines()
    assert (1, "") == (outcome.code, outcome.out)
    assert "note: [fake] cannot be reached: trying again for up to 0.2 s. Connection refused" == waiting
    assert failed.startswith("error: [fake] The backend could not be reached for 0.2 s, by ")


def test_an_object_fits_the_schema_of_the_file(terminal: Terminal) -> None:
    schema = terminal.write("person.json", json.dumps(PERSON))
    terminal.plugin.answer = {"name": "Bob", "age": 4}
    assert {"name": "Bob", "age": 4} == terminal.run("llm", "hello", "--schema", schema).data
    assert [PERSON] == terminal.plugin.schemas


def test_an_object_that_does_not_fit_is_a_failure(terminal: Terminal) -> None:
    schema = terminal.write("person.json", json.dumps(PERSON))
    terminal.plugin.answer = {"age": -1}
    outcome = terminal.run("llm", "hello", "--schema", schema)
    assert (1, "") == (outcome.code, outcome.out)
    assert "$: 'name' is a required property; $.age: -1 is less than the minimum of 0" in outcome.err


def test_keywords_that_are_not_checked_are_named(terminal: Terminal) -> None:
    schema = terminal.write("s.json", '{"properties": {"a": {"format": "odd"}}, "if": {}, "contentEncoding": "x"}')
    outcome = terminal.run("llm", "hello", "--schema", schema)
    assert outcome.code == 0
    assert "the answer is not checked: contentEncoding, format" in outcome.err


def test_a_recursive_schema_is_sent_as_it_is_in_the_file(terminal: Terminal) -> None:
    tree = {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}}
    terminal.plugin.answer = {"next": {"next": {}}}
    outcome = terminal.run("llm", "hello", "--schema", terminal.write("tree.json", json.dumps(tree)))
    assert {"next": {"next": {}}} == outcome.data
    assert [tree] == terminal.plugin.schemas


def test_a_schema_that_is_none_costs_no_call(terminal: Terminal) -> None:
    outcome = terminal.run("llm", "hello", "--schema", terminal.write("s.json", '{"properties": 3}'))
    assert (2, []) == (outcome.code, terminal.plugin.jobs)
    assert "s.json: $.properties: it is no JSON Schema" in outcome.err


def test_a_wrong_schema_file_is_found_before_anything_is_sent(terminal: Terminal) -> None:
    schema = terminal.write("s.json", '{"type": "object",\n nope}')
    outcome = terminal.run("llm", "hello", "--schema", schema)
    assert (2, []) == (outcome.code, terminal.plugin.jobs)
    assert "s.json:2: it is not JSON" in outcome.err


def test_schema_and_stream_do_not_go_together(terminal: Terminal) -> None:
    assert terminal.run("llm", "hello", "--schema", "x.json", "--stream").code == 2


def test_what_the_model_does_not_declare_is_refused(terminal: Terminal) -> None:
    terminal.configure('[backends.fake.llm]\ncapabilities = ["streaming"]\n')
    outcome = terminal.run("llm", "hello", "--seed", "1")
    assert (1, []) == (outcome.code, terminal.plugin.jobs)
    assert "'seed'" in outcome.err


def test_usage_is_told_on_stderr(terminal: Terminal) -> None:
    code, out, err = terminal.run("llm", "hello", "--usage")
    assert (0, "echo: hello\n") == (code, out)
    assert re.fullmatch(r"usage: 1 tokens in, 2 tokens out, \d+\.\d s, cost unknown\n", err)


@pytest.mark.parametrize("mode", [[], ["--stream"], ["--json"]])
def test_a_known_cost_is_told(terminal: Terminal, mode: list[str]) -> None:
    """GPT-4 of June 2023 costs 30 dollars for a million tokens in and 60 for a million out."""
    terminal.configure('[backends.fake]\nprice_provider = "openai"\n')
    outcome = terminal.run("llm", "hello", "-m", "fake/gpt-4-0613", "--usage", *mode)
    known = "$0.000150" if "--stream" not in mode else "cost unknown"  # this stream does not say what it read
    assert outcome.err.endswith(f" s, {known}\n")
    if "--json" in mode:
        assert pytest.approx(0.00015) == outcome.data["cost_usd"]


def test_usage_is_told_of_a_call_that_failed(terminal: Terminal) -> None:
    outcome = terminal.run("llm", "fail", "--usage", "--json")
    told, error = outcome.err.splitlines()
    assert re.fullmatch(r"usage: \d+\.\d s, cost unknown", told)
    assert "InferenceRequestError" == json.loads(error)["error"]
