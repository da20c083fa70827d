"""A fifth family, EMBED, as a maintainer adds it: its row, its sources, its templates, its pages and its tests."""

from __future__ import annotations

ROW = """
[[family]]
name = "EMBED"
value = "embed"
about = "Texts in, vectors out."
words = "embeddings"
worker = "pipelex.cogt.embed.embed_worker_abstract:EmbedWorkerAbstract"
job = "pipelex.cogt.embed.embed_job:EmbedJob"
kit = "pipelex.testing.embed:EmbedConformance"
command = "embed"
help = "Turn texts into vectors."
first_call = 'pipelex embed "Hello."'

# --- Symbols:"""
SYMBOLS = """\
# EMBED
"pipelex.cogt.embed.embed_worker_abstract:EmbedWorkerAbstract" = { since = "next", role = "the base" }
"pipelex.cogt.embed.embed_job:EmbedJob" = { since = "next", role = "one embedding" }

# errors that"""
BUILTIN = """\
[[builtin]]
name = "hashing"
title = "vectors of hashes"
workers = [{ family = "EMBED", sdk = "hashing", worker = "hashing.embed:HashingEmbedWorker" }]

# --- Versions:"""
BACKEND = """
# Vectors of hashes: no key, no network, no meaning.
[backends.hashing.embed]
sdk = "hashing"

[backends.openai]
"""

TYPES = {
    "src/pipelex/cogt/embed/__init__.py": "",
    "src/pipelex/cogt/embed/embed_job.py": '''\
"""What goes into an embedding."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EmbedJob"]


@dataclass(frozen=True, kw_only=True)
class EmbedJob:
    """One embedding of several texts.

    Attributes:
        texts: The texts.
    """

    texts: tuple[str, ...]

    @classmethod
    def of(cls, source: EmbedJob | str) -> EmbedJob:
        """Make a job of a text; a job is returned as it is."""
        return cls(texts=(source,)) if isinstance(source, str) else source
''',
    "src/pipelex/cogt/embed/embed_worker_abstract.py": '''\
"""The base of embedding workers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, final

from pipelex.cogt.embed.embed_job import EmbedJob
from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract, refuse_unsendable, run_call
from pipelex.plugins.returned_values import Shape

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult

__all__ = ["EmbedWorkerAbstract"]

_VECTORS = Shape("_embed", tuple, tuple)


class EmbedWorkerAbstract(InferenceWorkerAbstract):
    """Serves embeddings. A driver writes ``_embed``."""

    @final
    async def embed(self, job: EmbedJob | str) -> list[tuple[float, ...]]:
        """Turn texts into vectors.

        Args:
            job: The job, or simply a text.

        Returns:
            A vector for each text, in their order.

        Raises:
            InferenceError: The call failed; its subclass says how.
        """
        job = EmbedJob.of(job)
        refuse_unsendable(self, job)
        return list(await run_call(self, "embed", lambda: self._embed(job), job=job, shape=_VECTORS))

    @final
    def embed_sync(self, job: EmbedJob | str) -> list[tuple[float, ...]]:
        """Do what :meth:`embed` does, from code that runs no event loop.

        Args:
            job: The job, or simply a text.

        Returns:
            A vector for each text, in their order.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its subclass says how.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self.embed, job)

    @abstractmethod
    async def _embed(self, job: EmbedJob) -> InferenceResult[tuple[tuple[float, ...], ...]]:
        """Turn texts into vectors.

        Args:
            job: The job.

        Returns:
            A vector for each text, in their order, with usage.
        """
''',
}

SOURCES = {
    "src/pipelex/cli/embed.py": '''\
"""``pipelex embed``."""

from __future__ import annotations

import click

from pipelex.cli.inputs import text_or_stdin
from pipelex.cli.output import OK, write_json
from pipelex.cli.session import model_or_default, open_pipelex


@click.command()
@click.argument("text", required=False)
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
def embed(*, text: str | None, model: str | None) -> int:
    """Turn a TEXT into a vector, which is written as JSON."""
    from pipelex.plugins.inference_backend_registry import InferenceFamily

    source = text_or_stdin(text, "text")
    with open_pipelex() as px:
        [vector] = px.embed(model_or_default(px, model, InferenceFamily.EMBED)).embed_sync(source)
    write_json(list(vector))
    return OK
''',
    "src/pipelex/testing/embed.py": '''\
"""What an embedding plugin has to do: derive a test class from ``EmbedConformance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipelex.cogt.embed.embed_worker_abstract import EmbedWorkerAbstract
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.generated.families import EMBED
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.checks import require
from pipelex.testing.conformance import Conformance

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.model_spec import Capability

VectorsT = tuple[tuple[float, ...], ...]


class EmbedConformance(Conformance[EmbedWorkerAbstract, VectorsT]):
    """The checks of the embedding family. The vendor's orders are ``InferenceResult`` of a vector for each text."""

    token = EMBED
    operation = "embed"
    usage_fields: ClassVar[frozenset[str]] = frozenset({"input_tokens"})

    def _answer(self, token: str, capability: Capability | None) -> InferenceResult[VectorsT]:
        vector = tuple(float(ord(letter)) for letter in token)
        return InferenceResult(
            content=(vector,), usage=InferenceUsage(input_tokens=3), model_served=self.model_id
        )

    async def _call(self, worker: EmbedWorkerAbstract, token: str, capability: Capability | None) -> object:
        return await worker.embed(self.prompt(token))

    def _call_sync(self, worker: EmbedWorkerAbstract, token: str) -> object:
        return worker.embed_sync(self.prompt(token))

    def _tokens_in(self, content: object) -> str:
        vectors = content if isinstance(content, list) else []
        return " ".join("".join(chr(int(number)) for number in vector) for vector in vectors)

    def _texts_in(self, content: object) -> str:
        return self._tokens_in(content)

    def _check_content(self, content: object, expected: InferenceResult[VectorsT] | None) -> None:
        require(isinstance(content, list) and bool(content), f"embed returned {content!r}, not a list of vectors.")
        if expected is not None:
            require(content == list(expected.content), f"embed returned {content!r}; the vendor sent another vector.")

    def _check_honoured(self, content: object, capability: Capability) -> None:
        raise AssertionError(capability)  # the family has none
''',
    "src/pipelex/providers/hashing/__init__.py": "",
    "src/pipelex/providers/hashing/embed.py": '''\
"""Vectors of hashes: no key, no network, no meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from pipelex.cogt.embed.embed_worker_abstract import EmbedWorkerAbstract
from pipelex.cogt.inference.inference_result import InferenceResult

if TYPE_CHECKING:
    from pipelex.cogt.embed.embed_job import EmbedJob


class HashingEmbedWorker(EmbedWorkerAbstract):
    """Serves embeddings by hashing."""

    async def _embed(self, job: EmbedJob) -> InferenceResult[tuple[tuple[float, ...], ...]]:
        return InferenceResult(content=tuple((crc32(text.encode()) / 2**32,) for text in job.texts))
''',
}

_TEMPLATES = "src/pipelex/scaffold/templates/family/embed"
TEMPLATES = {
    f"{_TEMPLATES}/capabilities.toml.tmpl": "capabilities = []\n",
    f"{_TEMPLATES}/protocol.md.tmpl": '- `POST /embed` takes `model` and `texts`. It gives `{"model", "vectors"}`.\n',
    f"{_TEMPLATES}/src/__package__/embed.py.tmpl": '''\
"""The embedding worker: one hook per kind of call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelex.cogt.embed.embed_worker_abstract import EmbedWorkerAbstract
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.reporting.reporting_protocol import InferenceUsage

from ${package}.errors import classify
from ${sdk_module}.client import StandInClient

if TYPE_CHECKING:
    from pipelex.cogt.embed.embed_job import EmbedJob
    from pipelex.cogt.exceptions import InferenceError


class ${class_name}EmbedWorker(SdkWorker[StandInClient], EmbedWorkerAbstract):
    """Serves embeddings through the SDK."""

    async def _embed(self, job: EmbedJob) -> InferenceResult[tuple[tuple[float, ...], ...]]:
        answer = await (await self._client()).post(
            "embed",
            {"model": self.inference_model.model_id, "texts": list(job.texts)},
        )
        vectors = tuple(tuple(map(float, vector)) for vector in json.loads(answer.text("vectors")))
        usage = InferenceUsage(input_tokens=answer.maybe_integer("input_tokens"))
        return InferenceResult(content=vectors, usage=usage, model_served=answer.maybe_text("model"))

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)
''',
    f"{_TEMPLATES}/tests/test_embed.py.tmpl": '''\
"""What the embedding worker asks the vendor, and what it makes of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.embed.embed_worker_abstract import EmbedWorkerAbstract
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing.loopback import HttpReply

from tests.support import make_worker

if TYPE_CHECKING:
    from pipelex.testing.loopback import LoopbackServer


def test_the_vector_is_the_one_of_the_vendor(server: LoopbackServer) -> None:
    server.serve = lambda request: HttpReply.json({"model": "model-1", "vectors": "[[1, 0.5]]"})
    worker = make_worker(InferenceFamily.EMBED, server.url)
    assert isinstance(worker, EmbedWorkerAbstract)
    assert [(1.0, 0.5)] == worker.embed_sync("a text")
    assert {"model": "model-1", "texts": ["a text"]} == server.requests[0].json()
''',
    f"{_TEMPLATES}/tests/test_embed_conformance.py.tmpl": '''\
"""The conformance kit, held against the embedding worker, by a vendor that speaks as the stand-in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelex.testing.embed import EmbedConformance
from pipelex.testing.loopback import HttpReply, LoopbackVendor

from ${package}.plugin import ${class_name}Plugin

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.testing.loopback import HttpRequest
    from pipelex.testing.vendor import FakeVendor


class EmbedVendor(LoopbackVendor[tuple[tuple[float, ...], ...]]):
    """Answers what the kit orders as the vendor would."""

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[tuple[float, ...], ...]]) -> HttpReply:
        """Answer with vectors."""
        used = answer.usage.input_tokens if answer.usage else None
        vectors = json.dumps(answer.content)
        return HttpReply.json({"model": answer.model_served, "vectors": vectors, "input_tokens": used})

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        """Answer with an error."""
        return HttpReply.json({"error": f"The kit asked for a {status}"}, status=status)


class TestEmbedConformance(EmbedConformance):
    """The kit's checks run because this class inherits them."""

    sdk = "${name}"
    model_id = "model-1"
    sdk_imports = ("${sdk_module}",)
    extra = "${name}"

    def plugin(self) -> PipelexPlugin:
        """Return the plugin."""
        return ${class_name}Plugin()

    def vendor(self) -> FakeVendor[tuple[tuple[float, ...], ...]]:
        """Return a vendor on 127.0.0.1."""
        return EmbedVendor()
''',
}

PAGES = {
    "docs/write-a-plugin.md": (
        "| all | `InferenceWorkerAbstract`",
        "| EMBED | `EmbedWorkerAbstract` | `async _embed(job)` | `InferenceResult` of vectors | always |\n",
    ),
    "docs/conformance-kit.md": (
        "| SEARCH | `pipelex.testing",
        "| EMBED | `pipelex.testing.embed.EmbedConformance` | a vector for each text |\n",
    ),
    "docs/configuration.md": ("`--usage` on", "`embed` turns a text into a vector.\n"),
}
"""What is written into each page, and what it is written before."""

TESTS = {
    "tests/cli/test_embed.py": """\
from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelex.generated.builtins import HashingPlugin

if TYPE_CHECKING:
    import pytest

    from tests.cli.conftest import Terminal


def test_the_vector_of_a_text_is_written_as_json(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelex.generated.builtins.BUILTIN_PLUGINS", (HashingPlugin(),))
    outcome = terminal.run("embed", "hello", "--model", "hashing/crc32")
    assert [0.211] == [round(number, 3) for number in json.loads(outcome.out)]
""",
    "tests/cogt/test_embed_worker.py": '''\
"""The base of embedding workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.embed.embed_worker_abstract import EmbedWorkerAbstract
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.cogt.workers import spec

if TYPE_CHECKING:
    from pipelex.cogt.embed.embed_job import EmbedJob


class Lengths(EmbedWorkerAbstract):
    """A vector of one number: how long a text is."""

    async def _embed(self, job: EmbedJob) -> InferenceResult[tuple[tuple[float, ...], ...]]:
        return InferenceResult(content=tuple((float(len(text)),) for text in job.texts))


def test_a_text_gets_a_vector() -> None:
    worker = Lengths(inference_model=spec(InferenceFamily.EMBED), reporting_delegate=None)
    assert [(5.0,)] == worker.embed_sync("hello")
''',
    "tests/testing/test_embed_kit.py": '''\
"""The kit of the family EMBED, held against the built-in plugin that serves it in this process."""

from __future__ import annotations

from pipelex.generated.builtins import HashingPlugin
from pipelex.plugins.contract import PipelexPlugin
from pipelex.testing.embed import EmbedConformance, VectorsT
from pipelex.testing.vendor import IN_PROCESS, RealEngine, Trait, waive

pytest_plugins = ["pipelex.testing"]
_NONE = "a hash has none"


class TestHashing(EmbedConformance):
    sdk = "hashing"
    model_id = "crc32"
    cannot = waive(IN_PROCESS, dict.fromkeys((Trait.OPTIONAL_SDK, Trait.CLIENT, Trait.USAGE), _NONE))

    def plugin(self) -> PipelexPlugin:
        return HashingPlugin()

    def vendor(self) -> RealEngine[VectorsT]:
        return RealEngine()
''',
}
TYPED_CALL = (
    "tests/typing/public_calls.py",
    '        assert_type(await px.search("m").search("x"), SearchAnswer)\n',
    '        assert_type(await px.embed("m").embed("x"), list[tuple[float, ...]])\n',
)
