"""What the packaged configuration declares for the models of an sdk: what its conformance suite declares, too."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from pipelex.cogt.model_backends.model_spec import Capability

_DEFAULTS = tomllib.loads((files("pipelex.config") / "defaults" / "pipelex.toml").read_text(encoding="utf-8"))


def declared(sdk: str, *more: Capability) -> frozenset[Capability]:
    """Return the capabilities of an LLM sdk.

    Args:
        sdk: The sdk.
        more: What single models of it declare beside that.
    """
    return frozenset(map(Capability, _DEFAULTS["sdks"]["llm"][sdk]["capabilities"])) | set(more)
