"""A vendor's list of models is read in whichever shape it comes; what holds no model is an error that shows it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pipelex.cogt.exceptions import InferenceAuthenticationError, InferenceError, InferenceInvalidAnswerError
from pipelex.cogt.model_backends.listed_model import ListedModel

A_DAY = datetime(2024, 5, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        [{"id": "a"}],
        {"data": [{"id": "a"}]},
        {"object": "list", "data": [{"id": "a", "object": "model"}], "has_more": False},
        {"models": [{"name": "a"}]},
        {"models": [{"model": "a", "name": "A model"}]},
        {"modelSummaries": [{"modelId": "a"}]},
        {"data": {"id": "a"}},
        {"data": [[{"id": "a"}]]},
        {"result": {"data": [{"id": "a"}]}},
        ["a"],
        {"data": [{"object": "model"}, {"id": ""}, {"id": None}, None, 7, [], {"id": "a"}]},
        json.dumps([{"id": "a"}]),
        b'\xef\xbb\xbf{"data": [{"id": "a"}]}\n',
    ],
)
def test_the_models_are_found(body: object) -> None:
    assert [ListedModel(id="a")] == ListedModel.rows_of(body)


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (1715558400, A_DAY),
        (1715558400.0, A_DAY),
        (1715558400000, A_DAY),
        ("1715558400", A_DAY),
        ("2024-05-13T00:00:00Z", A_DAY),
        ("2024-05-13", A_DAY),
        ("May 2024", None),
        (0, None),
        (-1, None),
        (1e300, None),
        (float("nan"), None),
        (True, None),
        ([], None),
        (None, None),
    ],
)
def test_a_date_is_read_or_left_out(created: object, expected: datetime | None) -> None:
    assert [expected] == [model.created for model in ListedModel.rows_of([{"id": "a", "created": created}])]


@pytest.mark.parametrize(("window", "expected"), [(8192, 8192), ("8192", None), (0, None), (True, None), (None, None)])
def test_a_context_window_is_a_count(window: object, expected: int | None) -> None:
    assert [ListedModel(id="a", owner="us", context_window=expected)] == ListedModel.rows_of(
        [{"id": "a", "context_length": window, "owned_by": "us"}]
    )


@pytest.mark.parametrize("body", [[], {"data": []}, {"models": []}])
def test_an_empty_list_is_a_list(body: object) -> None:
    assert [] == ListedModel.rows_of(body)


@pytest.mark.parametrize(
    ("body", "kind", "shown"),
    [
        ("<html>Sign in</html>", InferenceInvalidAnswerError, "The answer is not a list of models: Sign in"),
        ({}, InferenceInvalidAnswerError, "The answer is not a list of models: nothing came"),
        ({"data": {"a": 1}}, InferenceInvalidAnswerError, '{"data": {"a": 1}}'),
        ([{"object": "model"}], InferenceInvalidAnswerError, "No row of the list of models has an id"),
        ({"error": {"message": "no", "code": "invalid_api_key"}}, InferenceAuthenticationError, "no"),
        ({"error": {"message": "no", "code": "invalid_api_key"}, "data": []}, InferenceAuthenticationError, "no"),
    ],
)
def test_what_holds_no_model_is_shown(body: object, kind: type[InferenceError], shown: str) -> None:
    with pytest.raises(InferenceError) as caught:
        ListedModel.rows_of(body)
    assert kind is type(caught.value)
    assert shown in caught.value.message
