"""A plugin that does everything right passes every check of every family, without a skip."""

from __future__ import annotations

from tests.testing.toy import vendor

pytest_plugins = ["pipelex.testing"]


class TestLLM(vendor.ToyLLMConformance):
    """All LLM checks."""


class TestImgGen(vendor.ToyImgGenConformance):
    """All image generation checks."""


class TestExtract(vendor.ToyExtractConformance):
    """All document extraction checks."""


class TestSearch(vendor.ToySearchConformance):
    """All search checks."""
