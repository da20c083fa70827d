"""What the tests of this folder share."""

from __future__ import annotations

from tests.providers.bedrock.ministack import ministack

__all__ = ["ministack"]
