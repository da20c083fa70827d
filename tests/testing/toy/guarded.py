"""Conformance classes that the guard has something to say about, and two that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipelex.testing.vendor import Fault, Trait
from tests.testing.toy.vendor import ToyLLMConformance

if TYPE_CHECKING:
    from pipelex.testing.vendor import Waivers


class Overriding(ToyLLMConformance):
    def test_register_is_pure(self) -> None:
        """Pass, whatever happens."""


class Deleting(ToyLLMConformance):
    test_no_key_is_shown = None  # type: ignore[assignment]  # the fault


class Mixin:
    def test_a_failure_is_reported(self) -> None:
        """Pass, whatever happens."""


class MixingIn(Mixin, ToyLLMConformance):
    """Overrides by the order of its bases."""


class Meddling(ToyLLMConformance):
    async def _failure(self, stage: object) -> None:  # type: ignore[override]  # the fault
        """Fail nothing."""


class Silent(ToyLLMConformance):
    cannot: ClassVar[Waivers] = {Fault.TIMEOUT: " "}


class Nameless(ToyLLMConformance):
    sdk = ""


class WithoutSdk(ToyLLMConformance):
    sdk_imports: ClassVar[tuple[str, ...]] = ()


class WithoutSdkForAReason(ToyLLMConformance):
    sdk_imports: ClassVar[tuple[str, ...]] = ()
    cannot: ClassVar[Waivers] = {Trait.OPTIONAL_SDK: "it needs none"}


class WithOwnTests(ToyLLMConformance):
    concurrency = 2

    def test_something_of_its_own(self) -> None:
        """Pass."""

    def helper(self) -> None:
        """Help."""
