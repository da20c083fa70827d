"""A backend's record is checked when it is made, for every driver: endpoint, key, headers. No message holds a value."""

from __future__ import annotations

import pytest

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("127.0.0.1:8000/v1", "without a scheme (https://)"),
        ("localhost:8000/v1", "without a scheme (https://)"),
        ("api.example.org", "without a scheme (https://)"),
        ("http:///v1", "without a host"),
        (" http://host/v1", "white space"),
        ("http://host/v1\n", "white space"),
        ("http://host:port/v1", "Port"),
        ("http://host/v1?api-version=canary", "without '?' and '#'"),
        ("http://host/v1#canary", "without '?' and '#'"),
        ("http://user:canary@host/v1", "without a user's name and password"),
        ("http://canary@host/v1", "without a user's name and password"),
    ],
)
def test_an_endpoint_that_is_no_base_url_is_refused(endpoint: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        InferenceBackend(name="acme", endpoint=endpoint)
    assert "backends.acme.endpoint" == caught.value.key
    assert reason in caught.value.reason
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["sk-canary\n", " sk-canary", "sk-canary\u201d", "sk\tcanary", "sk-canary\x00", "sk-can\r\nary"]
)
@pytest.mark.parametrize("key", ["api_key", "x_auth"])
def test_a_header_that_http_does_not_allow_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        InferenceBackend(
            name="acme", api_key=value if key == "api_key" else None, extras={} if key == "api_key" else {key: value}
        )
    assert f"backends.acme.{key}" == caught.value.key
    assert "can" not in str(caught.value).replace("backends.acme", "")


@pytest.mark.parametrize(
    "endpoint", ["http://[::1]:80/v1", "https://host", "HTTPS://host/a/v1/", "grpc://host:1", None]
)
def test_what_can_be_meant_is_taken(endpoint: str | None) -> None:
    extras: dict[str, str | int | float | bool] = {"region": "Zürich", "x_title": "My app", "x_count": 3}
    assert endpoint == InferenceBackend(name="acme", endpoint=endpoint, api_key="a b", extras=extras).endpoint


def test_a_representation_shows_of_the_endpoint_its_origin_alone() -> None:
    backend = InferenceBackend(
        name="acme", endpoint="https://host:1/canary/v1", api_key="canary", extras={"x_a": "canary"}
    )
    assert repr(backend).startswith("InferenceBackend(name='acme', endpoint='https://host:1', policy=CallPolicy(")
    assert "canary" not in repr(backend)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://host/v1", "https://host"),
        ("https://host/v1/", "https://host"),
        ("https://host/v1/messages", "https://host"),
        ("https://host/av1", "https://host/av1"),
        ("https://host/", "https://host/"),
        (None, None),
    ],
)
def test_a_path_that_the_sdk_adds_is_not_written_twice(endpoint: str | None, expected: str | None) -> None:
    backend = InferenceBackend(name="acme", endpoint=endpoint)
    assert expected == backend.endpoint_without("/v1/messages", "/v1")
