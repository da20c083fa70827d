"""The table of changes: what is edited in the small SPI, and what has to be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.codegen.compat.small_spi import tree

if TYPE_CHECKING:
    from codegen.compat.model import CompatFinding
    from codegen.compat.trees import StubTree

Edit = tuple[str, str, str]
"""A module, a text in it, and what stands there instead."""


@dataclass(frozen=True)
class Row:
    """One change.

    Attributes:
        id: What is changed, in a few words.
        new: The edits that make the new tree.
        expected: The findings: ``BREAK``, ``UNCONFIRMED`` (a break that a type checker cannot see) or ``fine``, the
            kind, the symbol and its direction.
        old: Edits that make the old tree where it is not the small SPI as it stands; the new ones come on top.
    """

    id: str
    new: tuple[Edit, ...]
    expected: tuple[str, ...] = ()
    old: tuple[Edit, ...] = ()

    def trees(self) -> tuple[StubTree, StubTree]:
        """Return the old tree and the new one."""
        return tree("old", *self.old), tree("new", *self.old, *self.new)


def summary(finding: CompatFinding) -> str:
    """Write a finding as the rows expect it."""
    state = "fine" if not finding.breaking else "BREAK" if finding.confirmed else "UNCONFIRMED"
    return f"{state} {finding.kind} {finding.symbol.partition(':')[2]} ({finding.direction.value})"


def row(id_: str, module: str, old: str, new: str, *expected: str, base: tuple[Edit, ...] = ()) -> Row:
    """Make a row of one edit."""
    return Row(id_, ((module, old, new),), expected, base)


ROWS: list[Row] = [
    # symbols
    row(
        "symbol added",
        "plugins/backends",
        "DEFAULT_TIMEOUT",
        "def helper() -> None: ...\nDEFAULT_TIMEOUT",
        "fine symbol-added helper (plugin calls)",
    ),
    row(
        "symbol removed",
        "plugins/backends",
        'def require_sdk(spec: str, *, extra: str, msg: str = "needed") -> bool: ...',
        "",
        "BREAK symbol-removed require_sdk (plugin calls)",
    ),
    Row(
        "symbol moved",
        (
            ("plugins/backends", 'def require_sdk(spec: str, *, extra: str, msg: str = "needed") -> bool: ...', ""),
            ("plugins/guards", "", 'def require_sdk(spec: str, *, extra: str, msg: str = "needed") -> bool: ...\n'),
        ),
        ("BREAK symbol-moved require_sdk (plugin calls)",),
    ),
    Row(
        "class moved",
        (
            (
                "model",
                (
                    "@dataclass(frozen=True, kw_only=True)\nclass ListedModel:\n"
                    "    id: str\n    owner: str | None = None\n"
                ),
                "",
            ),
            (
                "listed",
                "",
                (
                    "from dataclasses import dataclass\n\n"
                    "@dataclass(frozen=True, kw_only=True)\nclass ListedModel:\n"
                    "    id: str\n    owner: str | None = None\n"
                ),
            ),
            (
                "plugins/backends",
                "import ListedModel, ModelSpec, Record",
                "import ModelSpec, Record\nfrom pipelex.listed import ListedModel",
            ),
        ),
        ("BREAK symbol-moved ListedModel (plugin implements)",),
    ),
    row(
        "function renamed",
        "plugins/backends",
        "def require_sdk(",
        "def need_sdk(",
        "BREAK symbol-renamed require_sdk (plugin calls)",
    ),
    Row(
        "class renamed",
        (
            ("model", "class Handle(", "class Selector("),
            ("plugins/registrar", "import Handle,", "import Selector,"),
            ("plugins/registrar", "-> Handle", "-> Selector"),
        ),
        ("BREAK symbol-renamed Handle (plugin calls)",),
    ),
    row(
        "function became a constant",
        "plugins/backends",
        'def require_sdk(spec: str, *, extra: str, msg: str = "needed") -> bool: ...',
        "require_sdk: bool = True",
        "BREAK symbol-kind-changed require_sdk (plugin calls)",
    ),
    # a callable that plugins implement
    row(
        "implements: parameter added without default",
        "plugins/backends",
        "reporter: Reporter | None)",
        "reporter: Reporter | None, seed: int)",
        "BREAK parameter-added MakeWorkerFn.__call__ (plugin implements)",
    ),
    row(
        "implements: parameter added with default",
        "plugins/backends",
        "reporter: Reporter | None)",
        "reporter: Reporter | None, seed: int = 0)",
        "BREAK parameter-added MakeWorkerFn.__call__ (plugin implements)",
    ),
    row(
        "implements: parameter removed",
        "plugins/backends",
        ", reporter: Reporter | None)",
        ")",
        "BREAK parameter-removed MakeWorkerFn.__call__ (plugin implements)",
    ),
    row(
        "implements: parameter renamed",
        "plugins/backends",
        "reporter: Reporter | None)",
        "delegate: Reporter | None)",
        "BREAK parameter-renamed MakeWorkerFn.__call__ (plugin implements)",
    ),
    row(
        "implements: positional parameter renamed",
        "plugins/backends",
        "sdk: str, flat: bool) -> Seq",
        "name: str, flat: bool) -> Seq",
        "BREAK parameter-renamed ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: parameters reordered",
        "plugins/backends",
        "sdk: str, flat: bool) -> Seq",
        "flat: bool, sdk: str) -> Seq",
        "BREAK parameter-reordered ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: keyword parameters reordered",
        "plugins/backends",
        "spec: ModelSpec, reporter: Reporter | None)",
        "reporter: Reporter | None, spec: ModelSpec)",
    ),
    row(
        "implements: parameter made keyword-only",
        "plugins/backends",
        "sdk: str, flat: bool) -> Seq",
        "sdk: str, *, flat: bool) -> Seq",
        "fine parameter-kind-changed ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: keyword-only lifted",
        "plugins/backends",
        "*, spec: ModelSpec, reporter",
        "spec: ModelSpec, *, reporter",
        "BREAK parameter-kind-changed MakeWorkerFn.__call__ (plugin implements)",
    ),
    row(
        "implements: parameter retyped wider",
        "plugins/backends",
        "sdk: str, flat",
        "sdk: str | None, flat",
        "BREAK parameter-retyped ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: parameter retyped narrower",
        "plugins/backends",
        "reporter: Reporter | None)",
        "reporter: Reporter)",
        "fine parameter-retyped MakeWorkerFn.__call__ (plugin implements)",
    ),
    row(
        "implements: default added",
        "plugins/backends",
        "sdk: str, flat: bool) -> Seq",
        "sdk: str, flat: bool = False) -> Seq",
        "BREAK parameter-default-added ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: default removed",
        "plugins/backends",
        "flat: bool = False) -> Seq",
        "flat: bool) -> Seq",
        "fine parameter-default-removed ListModelsFn.__call__ (plugin implements)",
        base=(("plugins/backends", "flat: bool) -> Seq", "flat: bool = False) -> Seq"),),
    ),
    row(
        "implements: default changed",
        "plugins/backends",
        "flat: bool = False) -> Seq",
        "flat: bool = True) -> Seq",
        "fine parameter-default-changed ListModelsFn.__call__ (plugin implements)",
        base=(("plugins/backends", "flat: bool) -> Seq", "flat: bool = False) -> Seq"),),
    ),
    row(
        "implements: return retyped wider",
        "plugins/backends",
        "Sequence[ListedModel] | None: ...",
        "Sequence[ListedModel] | int | None: ...",
        "fine return-retyped ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: return retyped narrower",
        "plugins/backends",
        "Sequence[ListedModel] | None: ...",
        "Sequence[ListedModel]: ...",
        "BREAK return-retyped ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: made plain",
        "plugins/backends",
        "async def __call__",
        "def __call__",
        "BREAK async-changed ListModelsFn.__call__ (plugin implements)",
    ),
    row(
        "implements: made async",
        "plugins/backends",
        "    def __call__(self, *, spec",
        "    async def __call__(self, *, spec",
        "BREAK async-changed MakeWorkerFn.__call__ (plugin implements)",
    ),
    # a callable that plugins call
    row(
        "calls: parameter added without default",
        "plugins/registrar",
        "level: int) -> bool",
        "level: int, code: int) -> bool",
        "BREAK parameter-added PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: parameter added with default",
        "plugins/registrar",
        "level: int) -> bool",
        "level: int, code: int = 0) -> bool",
        "fine parameter-added PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: parameter removed",
        "plugins/registrar",
        ", weight: int = 1",
        "",
        "BREAK parameter-removed PluginRegistrar.add_backend (plugin calls)",
    ),
    row(
        "calls: positional parameter removed",
        "plugins/registrar",
        "text: str, level: int) -> bool",
        "text: str) -> bool",
        "BREAK parameter-removed PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: parameter renamed",
        "plugins/registrar",
        "sdk: str, make_worker",
        "name: str, make_worker",
        "BREAK parameter-renamed PluginRegistrar.add_backend (plugin calls)",
    ),
    row(
        "calls: positional parameter renamed",
        "plugins/registrar",
        "text: str, level",
        "message: str, level",
        "BREAK parameter-renamed PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: parameters reordered",
        "plugins/registrar",
        "text: str, level: int)",
        "level: int, text: str)",
        "BREAK parameter-reordered PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: keyword parameters reordered",
        "plugins/registrar",
        "family: Family, sdk: str,",
        "sdk: str, family: Family,",
    ),
    row(
        "calls: parameter made keyword-only",
        "plugins/registrar",
        "text: str, level: int)",
        "text: str, *, level: int)",
        "BREAK parameter-kind-changed PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: keyword-only lifted",
        "plugins/registrar",
        "*, family: Family",
        "family: Family, *, label: str = 'x'",
        "fine parameter-added PluginRegistrar.add_backend (plugin calls)",
        "fine parameter-kind-changed PluginRegistrar.add_backend (plugin calls)",
    ),
    row(
        "calls: parameter retyped wider",
        "plugins/registrar",
        "level: int) -> bool",
        "level: int | str) -> bool",
        "fine parameter-retyped PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: parameter retyped narrower",
        "plugins/registrar",
        "level: int | str) -> bool",
        "level: int) -> bool",
        "BREAK parameter-retyped PluginRegistrar.warn (plugin calls)",
        base=(("plugins/registrar", "level: int) -> bool", "level: int | str) -> bool"),),
    ),
    row(
        "calls: default added",
        "plugins/registrar",
        "level: int) -> bool",
        "level: int = 0) -> bool",
        "fine parameter-default-added PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: default removed",
        "plugins/registrar",
        "weight: int = 1",
        "weight: int",
        "BREAK parameter-default-removed PluginRegistrar.add_backend (plugin calls)",
    ),
    row(
        "calls: default changed",
        "plugins/registrar",
        "weight: int = 1",
        "weight: int = 2",
        "UNCONFIRMED parameter-default-changed PluginRegistrar.add_backend (plugin calls)",
    ),
    row(
        "calls: return retyped wider",
        "plugins/registrar",
        "level: int) -> bool",
        "level: int) -> bool | None",
        "BREAK return-retyped PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: return retyped narrower",
        "plugins/registrar",
        "level: int) -> bool",
        "level: int) -> Literal[True]",
        "fine return-retyped PluginRegistrar.warn (plugin calls)",
        base=(("plugins/registrar", "from pipelex.errors", "from typing import Literal\nfrom pipelex.errors"),),
    ),
    row(
        "calls: made async",
        "plugins/registrar",
        "    def warn(",
        "    async def warn(",
        "BREAK async-changed PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "calls: made plain",
        "plugins/registrar",
        "    async def flush(",
        "    def flush(",
        "BREAK async-changed PluginRegistrar.flush (plugin calls)",
    ),
    row(
        "function: parameter renamed",
        "plugins/backends",
        "extra: str, msg",
        "package: str, msg",
        "BREAK parameter-renamed require_sdk (plugin calls)",
    ),
    row(
        "two changes at once",
        "plugins/registrar",
        "text: str, level: int) -> bool",
        "message: str, level: int, code: int = 0) -> bool",
        "BREAK parameter-renamed PluginRegistrar.warn (plugin calls)",
        "fine parameter-added PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "overload added",
        "plugins/registrar",
        "def warn(self, text: str, level: int) -> bool: ...",
        (
            "@overload\n    def warn(self, text: str, level: int) -> bool: ...\n"
            "    @overload\n    def warn(self, text: str) -> None: ..."
        ),
        "fine signature-changed PluginRegistrar.warn (plugin calls)",
        base=(("plugins/registrar", "from pipelex.errors", "from typing import overload\nfrom pipelex.errors"),),
    ),
    # methods and hooks
    row(
        "method added",
        "plugins/registrar",
        "def warn(self, text: str, level: int) -> bool: ...",
        "def warn(self, text: str, level: int) -> bool: ...\n    def inform(self) -> None: ...",
        "fine method-added PluginRegistrar.inform (plugin calls)",
    ),
    row(
        "method removed",
        "plugins/registrar",
        "def warn(self, text: str, level: int) -> bool: ...",
        "def other(self) -> None: ...",
        "BREAK method-removed PluginRegistrar.warn (plugin calls)",
        "fine method-added PluginRegistrar.other (plugin calls)",
    ),
    row(
        "method renamed",
        "plugins/registrar",
        "def warn(",
        "def caution(",
        "BREAK method-renamed PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "method made a property",
        "plugins/registrar",
        "def configure(self, options: Options) -> None: ...",
        "@property\n    def configure(self) -> bool: ...",
        "BREAK method-kind-changed PluginRegistrar.configure (plugin calls)",
    ),
    row(
        "method made a class method",
        "plugins/registrar",
        "    def warn(self,",
        "    @classmethod\n    def warn(cls,",
        "fine method-kind-changed PluginRegistrar.warn (plugin calls)",
    ),
    row(
        "abstract hook added",
        "worker",
        "    @abstractmethod",
        "    @abstractmethod\n    async def _gen_list(self, job: Job) -> Result[str]: ...\n    @abstractmethod",
        "BREAK abstract-added LLMWorker._gen_list (plugin implements)",
    ),
    row(
        "hook added",
        "worker",
        "    def _stream_text",
        "    def _count(self, job: Job) -> int: ...\n    def _stream_text",
        "fine hook-added LLMWorker._count (both)",
    ),
    row(
        "abstract hook removed",
        "worker",
        "    @abstractmethod\n    async def _gen_text(self, job: Job) -> Result[str]: ...\n",
        "",
        "BREAK hook-removed LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook removed",
        "worker",
        "    def _stream_text(self, job: Job) -> AsyncIterator[str]: ...",
        "",
        "BREAK hook-removed LLMWorker._stream_text (both)",
    ),
    row(
        "hook renamed",
        "worker",
        "def _stream_text(",
        "def _stream_chunks(",
        "BREAK hook-renamed LLMWorker._stream_text (both)",
    ),
    row(
        "abstract hook renamed",
        "worker",
        "def _gen_text(",
        "def _make_text(",
        "BREAK hook-renamed LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook made abstract",
        "worker",
        "    def _stream_text",
        "    @abstractmethod\n    def _stream_text",
        "BREAK abstract-added LLMWorker._stream_text (both)",
    ),
    row(
        "hook no longer abstract",
        "worker",
        "    @abstractmethod\n",
        "",
        "fine abstract-removed LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook made async",
        "worker",
        "    def _classify(",
        "    async def _classify(",
        "BREAK async-changed Worker._classify (both)",
    ),
    row(
        "hook made plain",
        "worker",
        "async def _gen_text",
        "def _gen_text",
        "BREAK async-changed LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook: parameter renamed",
        "worker",
        "_gen_text(self, job: Job)",
        "_gen_text(self, task: Job)",
        "UNCONFIRMED parameter-renamed LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook: parameter added without default",
        "worker",
        "_gen_text(self, job: Job)",
        "_gen_text(self, job: Job, seed: int)",
        "BREAK parameter-added LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook: parameter added with default",
        "worker",
        "_gen_text(self, job: Job)",
        "_gen_text(self, job: Job, seed: int = 0)",
        "BREAK parameter-added LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook: parameter retyped wider",
        "worker",
        "_gen_text(self, job: Job)",
        "_gen_text(self, job: Job | str)",
        "BREAK parameter-retyped LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "hook: return retyped narrower",
        "worker",
        "InferenceError | None: ...",
        "InferenceError: ...",
        "BREAK return-retyped Worker._classify (both)",
    ),
    row(
        "hook: return retyped wider",
        "worker",
        "async def _gen_text(self, job: Job) -> Result[str]",
        "async def _gen_text(self, job: Job) -> Result[str | bytes]",
        "fine return-retyped LLMWorker._gen_text (plugin implements)",
    ),
    row(
        "template: parameter added with default",
        "worker",
        "async def gen_text(self, job: Job | str)",
        "async def gen_text(self, job: Job | str, seed: int = 0)",
        "fine parameter-added LLMWorker.gen_text (plugin calls)",
    ),
    row(
        "template: parameter renamed",
        "worker",
        "async def gen_text(self, job: Job | str)",
        "async def gen_text(self, task: Job | str)",
        "BREAK parameter-renamed LLMWorker.gen_text (plugin calls)",
    ),
    row(
        "method of a base made final",
        "worker",
        "    def _stream_text",
        "    @final\n    def _stream_text",
        "BREAK method-kind-changed LLMWorker._stream_text (both)",
        base=(("worker", "from typing import TypeVar", "from typing import TypeVar, final"),),
    ),
    # protocols
    row(
        "protocol that plugins implement: member added",
        "plugins/contract",
        "    def register",
        "    def stop(self) -> None: ...\n    def register",
        "BREAK protocol-member-added PipelexPlugin.stop (plugin implements)",
    ),
    row(
        "protocol that plugins implement: member removed",
        "plugins/contract",
        "    @property\n    def name(self) -> str: ...\n",
        "",
        "fine protocol-member-removed PipelexPlugin.name (plugin implements)",
    ),
    row(
        "protocol that plugins implement: property made settable",
        "plugins/contract",
        "    @property\n    def name(self) -> str: ...\n",
        "    name: str\n",
        "BREAK attribute-writable PipelexPlugin.name (plugin implements)",
    ),
    row(
        "protocol that plugins implement: property retyped wider",
        "plugins/contract",
        "def name(self) -> str",
        "def name(self) -> str | None",
        "fine attribute-retyped PipelexPlugin.name (plugin implements)",
    ),
    row(
        "protocol that plugins implement: property retyped narrower",
        "plugins/contract",
        "def name(self) -> str | None",
        "def name(self) -> str",
        "BREAK attribute-retyped PipelexPlugin.name (plugin implements)",
        base=(("plugins/contract", "def name(self) -> str", "def name(self) -> str | None"),),
    ),
    row(
        "protocol that plugins implement: parameter renamed",
        "plugins/contract",
        "register(self, registrar:",
        "register(self, menu:",
        "UNCONFIRMED parameter-renamed PipelexPlugin.register (plugin implements)",
    ),
    row(
        "protocol that plugins call: member added",
        "plugins/backends",
        "    def report(",
        "    def stop(self) -> None: ...\n    def report(",
        "fine protocol-member-added Reporter.stop (plugin calls)",
    ),
    row(
        "protocol that plugins call: member removed",
        "plugins/backends",
        "    def report(self, record: Record) -> None: ...",
        "    def stop(self) -> None: ...",
        "BREAK protocol-member-removed Reporter.report (plugin calls)",
        "fine protocol-member-added Reporter.stop (plugin calls)",
    ),
    row(
        "no longer runtime-checkable",
        "plugins/contract",
        "@runtime_checkable\n",
        "",
        "BREAK runtime-checkable-removed PipelexPlugin (plugin implements)",
    ),
    # bases, and how a class works
    row(
        "base removed",
        "worker",
        "class LLMWorker(Worker):",
        "class LLMWorker(ABC):",
        "BREAK base-removed LLMWorker (plugin implements)",
    ),
    row(
        "base changed",
        "errors",
        "class SpiError(Exception):",
        "class SpiError(BaseException):",
        "BREAK base-changed SpiError (both)",
    ),
    row(
        "base added",
        "errors",
        "class InferenceError(SpiError):",
        "class InferenceError(SpiError, OSError):",
        "fine base-added InferenceError (both)",
    ),
    row(
        "base made narrower",
        "errors",
        "class SpiError(Exception):",
        "class SpiError(RuntimeError):",
        "fine base-changed SpiError (both)",
    ),
    row(
        "class made final",
        "worker",
        "class LLMWorker(",
        "@final\nclass LLMWorker(",
        "BREAK class-final LLMWorker (plugin implements)",
        base=(("worker", "from typing import TypeVar", "from typing import TypeVar, final"),),
    ),
    row(
        "record became a plain class",
        "job",
        "@dataclass(frozen=True, kw_only=True)\nclass Job:\n    text: str\n    temperature: float | None = None\n",
        (
            "class Job:\n    text: str\n"
            "    temperature: float | None\n"
            "    def __init__(self, *, text: str, temperature: float | None = None) -> None: ...\n"
        ),
        "BREAK class-kind-changed Job (both)",
        "fine attribute-writable Job.temperature (both)",
        "fine attribute-writable Job.text (both)",
    ),
    # enums
    row(
        "enum that plugins receive: member added",
        "model",
        '    IMAGE = "image"',
        '    IMAGE = "image"\n    AUDIO = "audio"',
        "BREAK enum-member-added Capability.AUDIO (both)",
    ),
    row(
        "enum that plugins supply: member added",
        "plugins/backends",
        '    SEARCH = "search"',
        '    SEARCH = "search"\n    EXTRACT = "extract"',
        "fine enum-member-added Family.EXTRACT (plugin implements)",
    ),
    row(
        "enum member removed",
        "plugins/backends",
        '    SEARCH = "search"\n',
        "",
        "BREAK enum-member-removed Family.SEARCH (plugin implements)",
    ),
    row(
        "enum member revalued",
        "plugins/backends",
        '"search"',
        '"find"',
        "BREAK enum-member-revalued Family.SEARCH (plugin implements)",
    ),
    row(
        "enum member renamed",
        "model",
        "    IMAGE =",
        "    PICTURE =",
        "BREAK enum-member-renamed Capability.IMAGE (both)",
    ),
    row(
        "enum base changed",
        "model",
        "class Capability(StrEnum):",
        "class Capability(Enum):",
        "BREAK base-changed Capability (both)",
        base=(("model", "from enum import StrEnum", "from enum import Enum, StrEnum"),),
    ),
    # records
    row(
        "record that plugins make: field added with default",
        "job",
        "temperature: float | None = None",
        "temperature: float | None = None\n    seed: int | None = None",
        "fine field-added Job.seed (both)",
    ),
    row(
        "record that plugins make: field added without default",
        "job",
        "    text: str\n",
        "    text: str\n    seed: int\n",
        "BREAK field-added Job.seed (both)",
    ),
    row(
        "record that plugins only read: field added without default",
        "model",
        "class Settings:\n",
        "class Settings:\n    width: int\n",
        "fine field-added Settings.width (plugin calls)",
    ),
    row(
        "field removed",
        "job",
        "    temperature: float | None = None\n",
        "",
        "BREAK field-removed Job.temperature (both)",
    ),
    row(
        "field renamed",
        "job",
        "    temperature: float",
        "    heat: float",
        "BREAK field-renamed Job.temperature (both)",
    ),
    row(
        "record that plugins make: field retyped wider",
        "model",
        "owner: str | None",
        "owner: str | bytes | None",
        "fine field-retyped ListedModel.owner (plugin implements)",
    ),
    row(
        "record that plugins make: field retyped narrower",
        "model",
        "cost: float | None",
        "cost: int | None",
        "BREAK field-retyped Record.cost (plugin implements)",
    ),
    row(
        "record that plugins only read: field retyped wider",
        "model",
        "class Settings:\n    depth: int",
        "class Settings:\n    depth: int | None",
        "BREAK field-retyped Settings.depth (plugin calls)",
    ),
    row(
        "record that plugins only read: field retyped narrower",
        "model",
        "class Settings:\n    depth: int",
        "class Settings:\n    depth: bool",
        "fine field-retyped Settings.depth (plugin calls)",
    ),
    row(
        "record that plugins make and read: field retyped wider",
        "job",
        "text: str\n",
        "text: str | bytes\n",
        "BREAK field-retyped Job.text (both)",
    ),
    row(
        "field default removed",
        "job",
        "temperature: float | None = None",
        "temperature: float | None",
        "BREAK field-default-removed Job.temperature (both)",
    ),
    row(
        "field default added",
        "job",
        "    text: str\n",
        '    text: str = ""\n',
        "fine field-default-added Job.text (both)",
    ),
    row(
        "field default changed",
        "model",
        'class Options:\n    depth: int\n    label: str = "plain"',
        'class Options:\n    depth: int\n    label: str = "loud"',
        "UNCONFIRMED field-default-changed Options.label (both)",
    ),
    row(
        "default of a record that plugins only read changed",
        "model",
        'class Settings:\n    depth: int\n    label: str = "plain"',
        'class Settings:\n    depth: int\n    label: str = "loud"',
        "fine field-default-changed Settings.label (plugin calls)",
    ),
    row(
        "fields reordered",
        "model",
        'class Options:\n    depth: int\n    label: str = "plain"',
        "class Options:\n    label: str\n    depth: int",
        "BREAK field-reordered Options (both)",
        "BREAK field-default-removed Options.label (both)",
    ),
    row(
        "keyword fields reordered",
        "model",
        "    capabilities: frozenset[Capability] = ...\n    window: int | None = None\n",
        "    window: int | None = None\n    capabilities: frozenset[Capability] = ...\n",
    ),
    row(
        "record made frozen",
        "model",
        "@dataclass\nclass Options:",
        "@dataclass(frozen=True)\nclass Options:",
        "BREAK record-frozen Options (both)",
    ),
    row(
        "record made mutable",
        "model",
        "@dataclass(frozen=True, kw_only=True)\nclass Settings:",
        "@dataclass(kw_only=True)\nclass Settings:",
        "fine record-unfrozen Settings (plugin calls)",
    ),
    row(
        "record made keyword-only",
        "model",
        "@dataclass\nclass Options:",
        "@dataclass(kw_only=True)\nclass Options:",
        "BREAK field-kind-changed Options.depth (both)",
        "BREAK field-kind-changed Options.label (both)",
    ),
    row(
        "named tuple: field added with default",
        "model",
        "    backend: str\n    sdk: str",
        '    backend: str\n    sdk: str\n    zone: str = ""',
        "BREAK field-added Handle.zone (plugin calls)",
    ),
    row(
        "named tuple: fields reordered",
        "model",
        "    backend: str\n    sdk: str",
        "    sdk: str\n    backend: str",
        "UNCONFIRMED field-reordered Handle (plugin calls)",
    ),
    # attributes
    row(
        "attribute removed",
        "worker",
        "    spec: ModelSpec\n",
        "",
        "BREAK attribute-removed Worker.spec (plugin calls)",
    ),
    row(
        "attribute added",
        "worker",
        "    spec: ModelSpec\n",
        "    spec: ModelSpec\n    depth: int\n",
        "fine attribute-added Worker.depth (plugin calls)",
    ),
    row(
        "attribute retyped wider",
        "worker",
        "    spec: ModelSpec\n",
        "    spec: ModelSpec | None\n",
        "BREAK attribute-retyped Worker.spec (plugin calls)",
    ),
    row(
        "attribute made a property",
        "worker",
        "    spec: ModelSpec\n",
        "    @property\n    def spec(self) -> ModelSpec: ...\n",
        "BREAK attribute-read-only Worker.spec (plugin calls)",
    ),
    row(
        "property retyped wider",
        "plugins/registrar",
        "def title(self) -> str",
        "def title(self) -> str | None",
        "BREAK attribute-retyped PluginRegistrar.title (plugin calls)",
    ),
    row(
        "property made an attribute",
        "plugins/registrar",
        "    @property\n    def title(self) -> str: ...\n",
        "    title: str\n",
        "fine attribute-writable PluginRegistrar.title (plugin calls)",
    ),
    # constants and exceptions
    row(
        "constant changed",
        "plugins/backends",
        "DEFAULT_TIMEOUT: Final = 30",
        "DEFAULT_TIMEOUT: Final = 60",
        "BREAK constant-changed DEFAULT_TIMEOUT (plugin calls)",
    ),
    row(
        "variable changed",
        "plugins/backends",
        'HOST: str = "localhost"',
        'HOST: str = "example.org"',
        "UNCONFIRMED constant-changed HOST (plugin calls)",
    ),
    row(
        "constant retyped",
        "plugins/backends",
        'HOST: str = "localhost"',
        'HOST: str | None = "localhost"',
        "BREAK constant-retyped HOST (plugin calls)",
    ),
    row(
        "API version raised",
        "plugins/contract",
        "PLUGIN_API_VERSION: Final = 1",
        "PLUGIN_API_VERSION: Final = 2",
        "fine api-version-changed PLUGIN_API_VERSION (plugin calls)",
    ),
    row(
        "exception: attribute removed",
        "errors",
        "    provider: str\n",
        "",
        "BREAK attribute-removed InferenceError.provider (plugin calls)",
    ),
    row(
        "exception: attribute retyped",
        "errors",
        "    provider: str\n",
        "    provider: str | None\n",
        "BREAK attribute-retyped InferenceError.provider (plugin calls)",
    ),
    row(
        "exception: value of an attribute changed",
        "errors",
        "    retryable = True",
        "    retryable = False",
        "UNCONFIRMED attribute-value-changed RateLimitError.retryable (plugin calls)",
    ),
    row(
        "exception: parameter added without default",
        "errors",
        "provider: str, status",
        "provider: str, model: str, status",
        "BREAK parameter-added InferenceError.__init__ (plugin calls)",
    ),
    row(
        "exception: constructor gone",
        "errors",
        "    def __init__(self, message: str) -> None: ...",
        "    ...",
        "BREAK parameter-removed SpiError.__init__ (plugin calls)",
        "fine parameter-added SpiError.__init__ (plugin calls)",
    ),
    # type variables
    row(
        "bound of a type variable made narrower",
        "worker",
        "bound=object",
        "bound=str",
        "BREAK typevar-changed ObjectT (plugin calls)",
    ),
    row(
        "bound of a type variable made wider",
        "worker",
        'ObjectT = TypeVar("ObjectT", bound=str)',
        'ObjectT = TypeVar("ObjectT", bound=object)',
        "fine typevar-changed ObjectT (plugin calls)",
        base=(("worker", "bound=object", "bound=str"),),
    ),
    # types of every sort
    row(
        "Self made optional",
        "plugins/registrar",
        "level: int) -> Self",
        "level: int) -> Self | None",
        "BREAK return-retyped PluginRegistrar.warn (plugin calls)",
        base=(
            ("plugins/registrar", "from pipelex.errors", "from typing import Self\nfrom pipelex.errors"),
            ("plugins/registrar", "level: int) -> bool", "level: int) -> Self"),
        ),
    ),
    row(
        "Self spelled as the class",
        "plugins/registrar",
        "level: int) -> Self",
        "level: int) -> PluginRegistrar",
        "fine return-retyped PluginRegistrar.warn (plugin calls)",
        base=(
            ("plugins/registrar", "from pipelex.errors", "from typing import Self\nfrom pipelex.errors"),
            ("plugins/registrar", "level: int) -> bool", "level: int) -> Self"),
        ),
    ),
    row(
        "alias retyped",
        "plugins/backends",
        "Name: TypeAlias = str",
        "Name: TypeAlias = str | None",
        "BREAK constant-retyped Name (plugin calls)",
        base=(
            ("plugins/backends", "DEFAULT_TIMEOUT", "Name: TypeAlias = str\nDEFAULT_TIMEOUT"),
            ("plugins/backends", "Final, Protocol", "Final, Protocol, TypeAlias"),
        ),
    ),
    row(
        "alias removed",
        "plugins/backends",
        "Name: TypeAlias = str",
        "",
        "BREAK symbol-removed Name (plugin calls)",
        base=(
            ("plugins/backends", "DEFAULT_TIMEOUT", "Name: TypeAlias = str\nDEFAULT_TIMEOUT"),
            ("plugins/backends", "Final, Protocol", "Final, Protocol, TypeAlias"),
        ),
    ),
    row(
        "callback that plugins supply: its parameter retyped wider",
        "plugins/registrar",
        "Callable[[Handle], Options]",
        "Callable[[Handle | None], Options]",
        "BREAK parameter-retyped PluginRegistrar.warn (plugin calls)",
        base=(
            ("plugins/registrar", "from pipelex.errors", "from collections.abc import Callable\nfrom pipelex.errors"),
            ("plugins/registrar", "level: int) -> bool", "level: Callable[[Handle], Options]) -> bool"),
        ),
    ),
    row(
        "callback that plugins supply: its return retyped wider",
        "plugins/registrar",
        "Callable[[Handle], Options]",
        "Callable[[Handle], Options | None]",
        "fine parameter-retyped PluginRegistrar.warn (plugin calls)",
        base=(
            ("plugins/registrar", "from pipelex.errors", "from collections.abc import Callable\nfrom pipelex.errors"),
            ("plugins/registrar", "level: int) -> bool", "level: Callable[[Handle], Options]) -> bool"),
        ),
    ),
    row("variance of a type variable lost", "job", ", covariant=True", "", "BREAK typevar-changed T_co (plugin calls)"),
    row(
        "argument of a generic base changed",
        "job",
        "Result[int]",
        "Result[str]",
        "BREAK base-changed Special (plugin implements)",
        base=(
            (
                (
                    "job",
                    "@dataclass(frozen=True, kw_only=True)\nclass Result(",
                    "class Special(Result[int]): ...\n\n@dataclass(frozen=True, kw_only=True)\nclass Result(",
                ),
                ("worker", "import Job, Result", "import Job, Result, Special"),
                ("worker", "Result[str]: ...", "Special: ..."),
            )
        ),
    ),
    row(
        "retyped to another class of the same shape",
        "plugins/registrar",
        "def options(self) -> Options",
        "def options(self) -> Settings",
        "BREAK attribute-retyped PluginRegistrar.options (plugin calls)",
    ),
    row(
        "positional-only parameter renamed",
        "plugins/registrar",
        "text: str, level: int, /",
        "message: str, level: int, /",
        "fine parameter-renamed PluginRegistrar.warn (plugin calls)",
        base=(("plugins/registrar", "text: str, level: int", "text: str, level: int, /"),),
    ),
    row(
        "mutable container made read-only",
        "plugins/registrar",
        "-> list[Handle]",
        "-> Sequence[Handle]",
        "BREAK attribute-retyped PluginRegistrar.handle (plugin calls)",
        base=(
            ("plugins/registrar", "from pipelex.errors", "from collections.abc import Sequence\nfrom pipelex.errors"),
            ("plugins/registrar", "def handle(self) -> Handle", "def handle(self) -> list[Handle]"),
        ),
    ),
    row(
        "elements of a mutable container gain a field",
        "model",
        "class Settings:\n",
        "class Settings:\n    width: int\n",
        "fine field-added Settings.width (plugin calls)",
        base=(("plugins/registrar", "def settings(self) -> Settings", "def settings(self) -> list[Settings]"),),
    ),
    row(
        "method that returned nothing returns something",
        "plugins/backends",
        "def report(self, record: Record) -> None",
        "def report(self, record: Record) -> int",
        "BREAK return-retyped Reporter.report (plugin calls)",
    ),
    # nothing
    row(
        "documentation only",
        "plugins/contract",
        '"""A plugin."""',
        '"""What a plugin is."""',
    ),
    Row(
        "pure reordering",
        (
            ("errors", "class RateLimitError(InferenceError):\n    retryable = True\n", ""),
            (
                "errors",
                "class Severity(StrEnum):",
                "class RateLimitError(InferenceError):\n    retryable = True\n\nclass Severity(StrEnum):",
            ),
            ("plugins/registrar", "    async def flush(self) -> int: ...\n", ""),
            ("plugins/registrar", "    def warn(", "    async def flush(self) -> int: ...\n    def warn("),
        ),
        (),
    ),
    row(
        "types spelled otherwise",
        "worker",
        "InferenceError | None",
        "None | InferenceError",
    ),
    row(
        "formatting only",
        "plugins/backends",
        "*, spec: ModelSpec, reporter: Reporter | None",
        "*,\n        spec: ModelSpec,\n        reporter: Reporter | None,\n   ",
    ),
]
