"""What each driver makes of the schemas that look like something else, at its public method."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Field

from pipelex.cogt.exceptions import InferenceError
from pipelex.generated.builtins import AnthropicPlugin, MistralPlugin, OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers import replay as scripted
from tests.providers.calls import Caller

if TYPE_CHECKING:
    from pipelex.plugins.contract import PipelexPlugin
    from tests.providers.replay import Replay


class Named(BaseModel):
    """Its properties bear the names of keywords."""

    open: Annotated[str, Field(alias="additionalProperties")]
    inner: Annotated[int, Field(alias="properties", ge=1)]
    reference: Annotated[str, Field(alias="$ref")]


class Inner(BaseModel):
    """The inner one; pydantic's own engine refuses its pattern, too."""

    model_config = ConfigDict(regex_engine="python-re")
    code: Annotated[str, Field(pattern="^(?!x)[a-z]+$")]


class Outer(BaseModel):
    """The outer one."""

    first: Annotated[Inner, Field(description="what comes first")]


class Node(BaseModel):
    """It refers to itself, with a description."""

    next: Annotated[Node | None, Field(description="what follows")] = None
    parent: Annotated[Node, Field(description="what it is below")]


class Vendor(NamedTuple):
    plugin: PipelexPlugin
    sdk: str
    route: str
    place: tuple[str, ...]


VENDORS = {
    "openai": Vendor(
        OpenaiPlugin(), "openai", "POST /v1/chat/completions", ("response_format", "json_schema", "schema")
    ),
    "openai_responses": Vendor(OpenaiPlugin(), "openai_responses", "POST /v1/responses", ("text", "format", "schema")),
    "mistral": Vendor(
        MistralPlugin(), "mistral", "POST /v1/chat/completions", ("response_format", "json_schema", "schema")
    ),
    "anthropic": Vendor(AnthropicPlugin(), "anthropic", "POST /v1/messages", ("output_config", "format", "schema")),
}


def sent(replay: Replay, name: str, kind: Any) -> dict[str, Any]:
    """Return the schema that a driver sends for a type, and what it says of how strict it is."""
    vendor = VENDORS[name]
    replay.on(vendor.route, scripted.answer({"error": {"message": "no"}}, status=400))
    endpoint = replay.url + ("/v1" if "openai" in name else "")
    made = Caller(plugin=vendor.plugin, family=InferenceFamily.LLM, sdk=vendor.sdk, endpoint=endpoint)
    with suppress(InferenceError):
        made.llm(lambda worker: worker.gen_object("Which?", kind))
    found: Any = replay.last.json()
    for part in vendor.place[:-1]:
        found = found[part]
    return {"schema": found[vendor.place[-1]], "strict": found.get("strict", True)}


@pytest.mark.parametrize("name", VENDORS)
def test_properties_with_the_names_of_keywords_are_sent_strictly(replay: Replay, name: str) -> None:
    found = sent(replay, name, Named)
    assert found["strict"] is True
    assert {"additionalProperties", "properties", "$ref"} == set(found["schema"]["properties"])
    assert found["schema"]["additionalProperties"] is False


@pytest.mark.parametrize("name", ["openai", "openai_responses", "mistral"])
def test_a_pattern_that_looks_around_is_described_in_place_of_being_sent(replay: Replay, name: str) -> None:
    found = sent(replay, name, Inner)
    assert found["strict"] is True
    code = found["schema"]["properties"]["code"]
    assert "pattern" not in code
    assert "(pattern: ^(?!x)[a-z]+$)" == code["description"]


@pytest.mark.parametrize("name", ["openai", "openai_responses"])
def test_a_description_beside_a_reference_reaches_the_model(replay: Replay, name: str) -> None:
    first = sent(replay, name, Outer)["schema"]["properties"]["first"]
    assert "what comes first" == first["description"]
    assert ["code"] == first["required"]
    assert "$ref" not in first


@pytest.mark.parametrize("name", ["openai", "openai_responses"])
def test_a_described_reference_to_the_type_itself_ends(replay: Replay, name: str) -> None:
    schema = sent(replay, name, Node)["schema"]
    definition = schema["$defs"]["Node"]
    assert "what it is below" == definition["properties"]["parent"]["description"]
    assert {"$ref": "#/$defs/Node"} == definition["properties"]["parent"]["properties"]["parent"]


def test_a_tuple_reaches_anthropic_with_its_parts(replay: Replay) -> None:
    schema = sent(replay, "anthropic", tuple[int, str])["schema"]
    assert {"anyOf": [{"type": "integer"}, {"type": "string"}]} == schema["items"]
    assert "prefixItems" in schema["description"]
