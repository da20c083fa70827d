"""Emits ``.gitattributes``: what is generated, so that reviews fold it, and one line ending for everybody."""

from __future__ import annotations

from codegen.render import template

GENERATED = (
    ".gitattributes",
    "codegen/spi.schema.json",
    "docs/api-versions/**",
    "docs/errors.md",
    "docs/providers.md",
    "docs/rules.md",
    "docs/spi-changes.md",
    "docs/spi.md",
    "src/pipelex/bulk/kinds.py",
    "src/pipelex/bulk/methods.py",
    "src/pipelex/generated/accessors.py",
    "src/pipelex/generated/builtins.py",
    "src/pipelex/generated/families.py",
    "src/pipelex/spi/changes.toml",
    "src/pipelex/spi/frozen/**",
    "src/pipelex/spi/spi.lock",
    "src/pipelex/spi/v*/**",
    "src/pipelex/worker_factories.py",
)
"""Every output, folders of generated files as one; a test holds it against the table of contents."""


def emit() -> str:
    """Render the file."""
    return template("gitattributes.j2").render(patterns=GENERATED)
