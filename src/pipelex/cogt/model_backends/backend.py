"""The configuration record of a backend."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, TypeVar

from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.exceptions import ConfigurationError

__all__ = ["InferenceBackend"]

_NO_HEADER = (
    "this value is sent as a header, which takes printable ASCII characters alone, without white space around them; a "
    "line break or a typographic quotation mark often comes with copying"
)

ExtraT = TypeVar("ExtraT", str, int, float, bool)


@dataclass(frozen=True, kw_only=True)
class InferenceBackend:
    """How to reach a backend. What may be secret stays out of its ``repr``; its attributes hold it as it is.

    Attributes:
        name: The configured name, as in ``[backends.<name>]``.
        endpoint: The base URL, where it differs from the SDK's own default.
        api_key: The key, already read from its environment variable.
        policy: How patient the calls are: time-outs of the client, attempts, concurrency.
        extras: Whatever else the backend's table holds (region, deployment, account), a list as a tuple. Those
            that begin with ``x_`` are sent as headers.
        extra_headers: Further headers of every request, by their names.

    Raises:
        ConfigurationError: The endpoint is no base URL (no scheme, a query, a user's name or password in it), or the
            key or a header holds a character that no header can.
    """

    name: str
    endpoint: str | None = None
    api_key: str | None = field(default=None, repr=False)
    policy: CallPolicy = field(default_factory=CallPolicy)
    extras: Mapping[str, str | int | float | bool | tuple[str | int | float | bool, ...]] = field(
        default_factory=dict, repr=False
    )
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    __get_pydantic_core_schema__ = with_field_types

    def __post_init__(self) -> None:
        sent = {"api_key": self.api_key, **{key: self.extras[key] for key in self.extras if key.startswith("x_")}}
        sent |= {f"extra_headers.{name}": value for name, value in self.extra_headers.items()}
        for key, value in sent.items():
            if isinstance(value, tuple):
                raise self._error(key, "this value is sent as a header, which is one text and no list")
            if isinstance(value, str) and not (value.isascii() and value.isprintable() and value == value.strip()):
                raise self._error(key, _NO_HEADER)
        if self.endpoint is not None:
            reason = _fault_of(self.endpoint)
            if reason is not None:
                raise self._error("endpoint", reason)

    def __repr__(self) -> str:
        origin = None if self.endpoint is None else "/".join(self.endpoint.split("/")[:3])  # a path may hold a token
        return f"InferenceBackend(name={self.name!r}, endpoint={origin!r}, policy={self.policy!r})"

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send with every request beside the SDK's own.

        They are the extras that begin with ``x_`` (``x_title`` as ``x-title``) and ``extra_headers``.
        """
        named = {key.replace("_", "-"): str(value) for key, value in self.extras.items() if key.startswith("x_")}
        return {**named, **self.extra_headers}

    def endpoint_without(self, *endings: str) -> str | None:
        """Return the endpoint without a path that the SDK adds to it by itself, and that a user may have written too.

        Args:
            endings: The paths (``"/v1"``, ``"/chat/completions"``): the first that the endpoint ends with goes.
        """
        if self.endpoint is None:
            return None
        endpoint = self.endpoint.rstrip("/")
        return next((endpoint.removesuffix(ending) for ending in endings if endpoint.endswith(ending)), self.endpoint)

    def get_extra(self, key: str, *, default: ExtraT) -> ExtraT:
        """Return one of the extras, checked against the type of its default.

        Args:
            key: The key in the backend's table.
            default: What it is where the table does not say; its type is the type asked for.

        Raises:
            ConfigurationError: The table holds a value of another type.
        """
        value = self.extras.get(key, default)
        kind = type(default)
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        raise self._error(key, f"expected a value of type {kind.__name__}, got one of type {type(value).__name__}")

    def get_extra_list(self, key: str, *, of: type[ExtraT]) -> tuple[ExtraT, ...]:
        """Return the elements of an extra that is a list, checked against a type.

        Args:
            key: The key in the backend's table.
            of: The type of each element.

        Returns:
            The elements; none where the table does not have the key.

        Raises:
            ConfigurationError: The table holds something else, or an element of another type.
        """
        value = self.extras.get(key, ())
        if not isinstance(value, tuple):
            raise self._error(key, f"expected a list of {of.__name__}, got a {type(value).__name__}")
        elements = [one for one in value if isinstance(one, of) and isinstance(one, bool) == (of is bool)]
        if len(elements) < len(value):
            raise self._error(key, f"expected a list of {of.__name__}, got one with another type in it")
        return tuple(elements)

    def _error(self, key: str, reason: str) -> ConfigurationError:
        from pipelex.exceptions import ConfigurationError

        return ConfigurationError(file=".pipelex/pipelex.toml", key=f"backends.{self.name}.{key}", reason=reason)


def _fault_of(endpoint: str) -> str | None:
    """Return what is wrong with an endpoint; never with the endpoint in it, which may hold a password."""
    from urllib.parse import urlsplit

    expected = "expected a base URL such as 'https://host/v1'"
    if not endpoint.isprintable() or " " in endpoint:
        return f"{expected}, got one with white space in it"
    try:
        parts = urlsplit(endpoint)
        has_address = bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError as exc:
        return f"{expected}; {exc}" if "port" in str(exc).lower() else expected
    if "://" not in endpoint or not has_address:
        return f"{expected}, got one without {'a host' if '://' in endpoint else 'a scheme (https://)'}"
    if parts.username is not None or parts.password is not None:
        return f"{expected}, without a user's name and password: the key of a backend is its api_key"
    if parts.query or parts.fragment:
        return f"{expected}, without '?' and '#': paths are added behind it (an API version is the extra api_version)"
    return None
