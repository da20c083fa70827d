"""A small SPI with the shapes of the real one: what the rows of the table change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.compat.reading.trees import StubTree

if TYPE_CHECKING:
    from codegen.compat.reading.identity import Identity
    from pipelex.spi.stub_tree import TreeShape

MODULES: dict[str, str] = {
    "plugins/contract": '''
"""The contract."""
from typing import Final, Protocol, runtime_checkable

from pipelex.plugins.registrar import PluginRegistrar

PLUGIN_API_VERSION: Final = 1

@runtime_checkable
class PipelexPlugin(Protocol):
    """A plugin."""
    @property
    def name(self) -> str: ...
    def register(self, registrar: PluginRegistrar) -> None: ...
''',
    "plugins/registrar": """
from pipelex.errors import Severity
from pipelex.model import Handle, Options, Settings
from pipelex.plugins.backends import Family, ListModelsFn, MakeWorkerFn

class PluginRegistrar:
    def __init__(self, *, plugin_name: str = "none") -> None: ...
    def add_backend(self, *, family: Family, sdk: str, make_worker: MakeWorkerFn, weight: int = 1) -> None: ...
    def add_lister(self, sdk: str, lister: ListModelsFn, label: str = "models") -> None: ...
    def warn(self, text: str, level: int) -> bool: ...
    def configure(self, options: Options) -> None: ...
    async def flush(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def options(self) -> Options: ...
    @property
    def handle(self) -> Handle: ...
    @property
    def severity(self) -> Severity: ...
""",
    "plugins/backends": """
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

from pipelex.model import ListedModel, ModelSpec, Record
from pipelex.worker import Worker

DEFAULT_TIMEOUT: Final = 30
HOST: str = "localhost"

class Family(StrEnum):
    LLM = "llm"
    SEARCH = "search"

class Reporter(Protocol):
    def report(self, record: Record) -> None: ...

class MakeWorkerFn(Protocol):
    def __call__(self, *, spec: ModelSpec, reporter: Reporter | None) -> Worker: ...

class ListModelsFn(Protocol):
    async def __call__(self, sdk: str, flat: bool) -> Sequence[ListedModel] | None: ...

def require_sdk(spec: str, *, extra: str, msg: str = "needed") -> bool: ...
""",
    "model": """
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

class Capability(StrEnum):
    TEXT = "text"
    IMAGE = "image"

@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    name: str
    capabilities: frozenset[Capability] = ...
    window: int | None = None

@dataclass(frozen=True, kw_only=True)
class ListedModel:
    id: str
    owner: str | None = None

@dataclass(frozen=True, kw_only=True)
class Record:
    operation: str
    cost: float | None = None

@dataclass(frozen=True, kw_only=True)
class Settings:
    depth: int
    label: str = "plain"

@dataclass
class Options:
    depth: int
    label: str = "plain"

class Handle(NamedTuple):
    backend: str
    sdk: str
""",
    "job": """
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

@dataclass(frozen=True, kw_only=True)
class Job:
    text: str
    temperature: float | None = None
    @classmethod
    def of(cls, source: Job | str) -> Job: ...

@dataclass(frozen=True, kw_only=True)
class Result(Generic[T_co]):
    content: T_co
    note: str | None = None
""",
    "worker": """
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import TypeVar

from pipelex.errors import InferenceError
from pipelex.job import Job, Result
from pipelex.model import ModelSpec

ObjectT = TypeVar("ObjectT", bound=object)

class Worker(ABC):
    spec: ModelSpec
    def __init__(self, *, spec: ModelSpec) -> None: ...
    def describe(self) -> str: ...
    def _classify(self, error: Exception) -> InferenceError | None: ...

class LLMWorker(Worker):
    async def gen_text(self, job: Job | str) -> str: ...
    async def gen_object(self, job: Job | str, schema: type[ObjectT]) -> ObjectT: ...
    @abstractmethod
    async def _gen_text(self, job: Job) -> Result[str]: ...
    def _stream_text(self, job: Job) -> AsyncIterator[str]: ...
""",
    "errors": """
from enum import StrEnum

class Severity(StrEnum):
    LOW = "low"
    HIGH = "high"

class SpiError(Exception):
    def __init__(self, message: str) -> None: ...

class InferenceError(SpiError):
    severity: Severity = Severity.LOW
    retryable: bool = False
    provider: str
    def __init__(self, message: str, *, provider: str, status: int | None = None) -> None: ...

class RateLimitError(InferenceError):
    retryable = True
""",
}


def tree(label: str, *edits: tuple[str, str, str]) -> StubTree:
    """Return the small SPI with texts replaced.

    Args:
        label: What the tree is called.
        edits: The module, a text in it, and what stands there instead; a module that is not there is made.
    """
    modules = dict(MODULES)
    for module, old, new in edits:
        assert old in modules.setdefault(module, ""), f"'{old}' is not in {module}"
        modules[module] = modules[module].replace(old, new, 1) if old else modules[module] + new
    files = {f"pipelex/{name}.pyi": text for name, text in modules.items()}
    files |= {f"pipelex/{name}.pyi": "" for name in ("__init__", "plugins/__init__")}
    return StubTree(label, files)


def everything(old: TreeShape, new: TreeShape, identity: Identity, _same: frozenset[str]) -> frozenset[str]:
    """Return every symbol, in place of those that a difference can reach."""
    return frozenset({*old.shapes, *map(identity.canonical, new.shapes)})
