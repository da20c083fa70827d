"""Emits ``codegen/spi.schema.json``, from which editors complete and check ``spi.toml`` as it is typed."""

from __future__ import annotations

import json

from codegen.spec import Spec
from codegen.writer import HEADER


def emit() -> str:
    """Render the schema."""
    schema = Spec.model_json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": HEADER}
    return json.dumps({**head, **schema}, indent=2, ensure_ascii=False) + "\n"
