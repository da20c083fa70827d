"""Plugins, legal and faulty, each with who has to see its fault.

A row is one distribution with one plugin (or two). ``NAME`` in its texts stands for the name of its module, its plugin
and its sdk. The base is a whole plugin in one file; a row changes it in one place.
"""

# ruff: noqa: E501 - the lines of the texts are those of other files
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Seen = Literal["nobody", "boot", "sandbox", "types", "calls"]

EXTRA = "[project.optional-dependencies]\nacme = ['acme-sdk']\n\n"
BASE = """\
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.cogt.llm.llm_job import LLMJob
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.reporting_protocol import ReportingProtocol


class Worker(LLMWorkerAbstract):
    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return InferenceResult(content=job.prompt.user_text.upper())


def make_worker(
    *,
    inference_model: InferenceModelSpec,
    backend: InferenceBackend,
    sdk_clients: SdkClientRegistry,
    reporting_delegate: ReportingProtocol | None,
) -> InferenceWorkerAbstract:
    return Worker(inference_model=inference_model, reporting_delegate=reporting_delegate)


class Plugin:
    name = "NAME"
    targets_api = 1

    def register(self, registrar: PluginRegistrar) -> None:
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="NAME", make_worker=make_worker)
"""
LISTER = """

async def list_models(
    *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
) -> Sequence[ListedModel]:
    return [ListedModel(id="one")]
"""
LISTER_IMPORTS = (
    "from collections.abc import Sequence\nfrom pipelex.cogt.model_backends.listed_model import ListedModel\n"
)
CLASS = "\n\nclass Plugin:\n"
HOOK = "    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:\n"
MEMBERS = '    name = "NAME"\n    targets_api = 1\n'
REGISTER = "    def register(self, registrar: PluginRegistrar) -> None:\n"
ORDER = '        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="NAME", make_worker=make_worker)\n'


@dataclass(frozen=True)
class Row:
    """One distribution.

    Attributes:
        files: Its files, below its source folder.
        entries: Its entry points, by name.
        seen: Who has to see its fault first: boot (and check and kit with it), the sandbox (check and kit), the types
            and the other static rules (the check), or the calls (the kit's checks that call a worker).
        boots: Whether boot is tried: not where the row ends the process, or makes a second one that answers, too.
        build: What its ``pyproject.toml`` states about the build.
    """

    files: dict[str, str]
    entries: dict[str, str] = field(default_factory=lambda: {"NAME": "NAME:Plugin"})
    seen: Seen = "nobody"
    boots: bool = True
    build: str = ""


def slug(title: str) -> str:
    """Return the module name of a row."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def write_row(folder: Path, title: str, row: Row) -> Path:
    """Write the distribution of a row, and return its folder."""
    name = slug(title)
    root = folder / name
    entries = "\n".join(f"{key} = '{value}'" for key, value in row.entries.items())
    project = (
        f'[project]\nname = "{name}"\nversion = "1"\n\n{EXTRA}[project.entry-points."pipelex.plugins"]\n{entries}\n'
        f"{row.build}"
    )
    for path, text in {"pyproject.toml": project, **{f"src/{path}": text for path, text in row.files.items()}}.items():
        file = root / path.replace("NAME", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("NAME", name), encoding="utf-8")
    return root


def text(source: str = BASE, **options: object) -> Row:
    """Make a row of one file."""
    return Row({"NAME.py": source}, **options)  # type: ignore[arg-type]  # the fields of a row, by name


def changed(old: str, new: str, **options: object) -> Row:
    """Make a row of one file: the base, changed in one place."""
    assert old in BASE, old
    return text(BASE.replace(old, new, 1), **options)


def top(code: str, **options: object) -> Row:
    """Make a row of one file with some code before all else."""
    return text(f"{code}\n{BASE}", **options)


def bottom(code: str, entry: str, **options: object) -> Row:
    """Make a row of one file with some code behind the plugin, which the entry point names."""
    return text(f"{BASE}\n\n{code}\n", entries={"NAME": f"NAME:{entry}"}, **options)


def ordering(code: str, *, head: str = "", **options: object) -> Row:
    """Make a row of one file whose ``register`` does something more."""
    return text(f"{head}{BASE}        {code}\n", **options)


PACKAGE = {
    "NAME/__init__.py": "",
    "NAME/worker.py": BASE.partition(CLASS)[0],
    "NAME/plugin.py": (
        "from pipelex.plugins.inference_backend_registry import InferenceFamily\n"
        "from pipelex.plugins.registrar import PluginRegistrar\n\nfrom .worker import make_worker\n"
        f"{CLASS}{MEMBERS}\n{REGISTER}{ORDER}"
    ),
}
IN_PACKAGE = {"NAME": "NAME.plugin:Plugin"}

STANDARD_LIBRARY = (
    *("asyncio", "concurrent.futures", "decimal", "http.client", "importlib.metadata", "logging.config"),
    *("multiprocessing", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "unittest.mock"),
    *("urllib.request", "uuid", "xml.etree.ElementTree", "zoneinfo"),
)

HATCHLING = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
"""
LEGAL: dict[str, Row] = {
    "a wheel with the package": Row(PACKAGE, IN_PACKAGE, build=f'{HATCHLING}packages = ["src/NAME"]\n'),
    "plain": text(),
    **{
        f"a hook that blocks nothing: {title}": changed(HOOK, f"{HOOK}        {code}\n")
        for title, code in {
            "a thread": "import asyncio, time\n        await asyncio.to_thread(time.sleep, 0)",
            "a lambda": "import asyncio, time\n        await asyncio.to_thread(lambda: time.sleep(0))",
            "a function": "import time\n\n        def wait() -> None:\n            time.sleep(0)",
            "a name of its own": "requests = {'a': 1}\n        requests.get('a')",
            "an async client": "import httpx\n        async with httpx.AsyncClient() as http:\n            await http.get('https://a.test')",
        }.items()
    },
    **{
        f"imports {module}": top(f"import {module}")
        for module in ("copy", "ctypes", "dataclasses", "pickle", "tomllib")
    },
    "imports much of the standard library": top("".join(f"import {module}\n" for module in STANDARD_LIBRARY)),
    "future annotations": top("from __future__ import annotations\n"),
    "a dataclass": top(
        "from dataclasses import dataclass\n\n\n@dataclass(frozen=True, slots=True)\nclass Options:\n    level: int = 1\n"
    ),
    "a named tuple and an enum": top(
        "from enum import Enum\nfrom typing import NamedTuple\n\n\nclass Size(NamedTuple):\n    width: int = 1\n\n\n"
        "class Mode(Enum):\n    LOUD = 'loud'\n"
    ),
    "an optional module of the standard library": top(
        "try:\n    import readline\n\n    HAS_HISTORY = bool(readline.__doc__)\nexcept ImportError:\n    HAS_HISTORY = False\n"
    ),
    "a logger and a lock": top(
        "import logging\nimport threading\n\nLOG = logging.getLogger('NAME')\nLOCK = threading.Lock()\n"
    ),
    "a type-only import of the sdk": top(
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import acme  # noqa: F401\n"
    ),
    "reads its own source": top("from pathlib import Path\n\nSIZE = len(Path(__file__).read_text(encoding='utf-8'))\n"),
    "a guarded sdk": changed(
        "    return Worker(",
        "    require_sdk(spec='acme', extra='acme', msg='Acme is needed.')\n    import acme\n\n    acme.hello()\n    return Worker(",
    ),
    "a factory": bottom("def make_plugin() -> Plugin:\n    return Plugin()", "make_plugin"),
    "a factory with defaults": bottom(
        "def make_plugin(level: int = 1, *, loud: bool = True) -> Plugin:\n    return Plugin()", "make_plugin"
    ),
    "a lambda": bottom("make_plugin = lambda: Plugin()  # noqa: E731", "make_plugin"),
    "a partial": bottom("from functools import partial\n\nmake_plugin = partial(Plugin)", "make_plugin"),
    "a class method": bottom(
        "class Maker:\n    @classmethod\n    def make(cls) -> Plugin:\n        return Plugin()", "Maker.make"
    ),
    "an instance": bottom("plugin = Plugin()", "plugin"),
    "an instance that can be called": text(
        f"{BASE}\n    def __call__(self, volume: int) -> int:\n        return volume\n\n\nplugin = Plugin()\n",
        entries={"NAME": "NAME:plugin"},
    ),
    "a class whose instances can be called": text(
        f"{BASE}\n    def __call__(self, volume: int) -> int:\n        return volume\n"
    ),
    "a nested class": bottom("class Outer:\n    Inner = Plugin", "Outer.Inner"),
    "properties": changed(
        MEMBERS,
        '    @property\n    def name(self) -> str:\n        return "NAME"\n\n    @property\n    def targets_api(self) -> int:\n        return 1\n',
    ),
    "class variables": changed(MEMBERS, '    name: ClassVar[str] = "NAME"\n    targets_api: ClassVar[int] = 1\n'),
    "final members": changed(MEMBERS, '    name: Final = "NAME"\n    targets_api: Final = 1\n'),
    "annotated members": changed(MEMBERS, '    name: str = "NAME"\n    targets_api: int = 1\n'),
    "members set in init": changed(
        MEMBERS, '    def __init__(self) -> None:\n        self.name = "NAME"\n        self.targets_api = 1\n'
    ),
    "slots": changed(MEMBERS, f"    __slots__ = ()\n{MEMBERS}"),
    "a plugin that is a dataclass": changed(CLASS, "\n\n@dataclass(frozen=True)\nclass Plugin:\n"),
    "inheritance": bottom('class Louder(Plugin):\n    name = "NAME"', "Louder"),
    "the protocol as base": changed(CLASS, "\n\nclass Plugin(PipelexPlugin):\n"),
    "the version by its name": changed("targets_api = 1", "targets_api = PLUGIN_API_VERSION"),
    "a package": Row(PACKAGE, IN_PACKAGE),
    "a package below a package": Row(
        {path.replace("NAME/", "NAME/inner/"): source for path, source in PACKAGE.items()} | {"NAME/__init__.py": ""},
        {"NAME": "NAME.inner.plugin:Plugin"},
    ),
    "a package with absolute imports": Row(
        PACKAGE | {"NAME/plugin.py": PACKAGE["NAME/plugin.py"].replace("from .worker", "from NAME.worker")}, IN_PACKAGE
    ),
    "a package that names the plugin itself": Row(
        {"NAME/__init__.py": BASE, "NAME/py.typed": ""}, {"NAME": "NAME:Plugin"}
    ),
    "extras behind the entry point": text(entries={"NAME": "NAME:Plugin [quiet]"}),
    "a hyphen for an underscore": text(
        BASE.replace('name = "NAME"', 'name = "a-hyphen-for-an-underscore"'),
        entries={"a_hyphen_for_an_underscore": "NAME:Plugin"},
    ),
    "a condition beside the guard": text(
        "import sys\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING and sys.version_info >= (3, 11):\n    import acme\n\n"
        + BASE
    ),
    "a match in register": ordering("match self.name:\n            case _:\n                pass"),
    "two backends": text(BASE + ORDER.replace('"NAME"', '"NAME.large"')),
    "a lister": text(
        f"{LISTER_IMPORTS}{BASE.partition(CLASS)[0]}{LISTER}{CLASS}{BASE.partition(CLASS)[2]}"
        '        registrar.add_model_lister(sdk="NAME", lister=list_models)\n'
    ),
    "a command": text(
        f"from pipelex.plugins.command_call import CommandCall\n{BASE.partition(CLASS)[0]}\n\n"
        f"def greet(call: CommandCall) -> int:\n    return 0\n{CLASS}{BASE.partition(CLASS)[2]}"
        '        registrar.add_command(name="NAME", help="Greet.", run=greet)\n'
    ),
    "a method makes the worker": text(
        BASE.replace("make_worker=make_worker", "make_worker=self.make")
        + "\n    def make(self, *, inference_model: InferenceModelSpec, backend: InferenceBackend,\n"
        "             sdk_clients: SdkClientRegistry, reporting_delegate: ReportingProtocol | None) -> InferenceWorkerAbstract:\n"
        "        return Worker(inference_model=inference_model, reporting_delegate=reporting_delegate)\n"
    ),
    "two plugins": text(
        BASE
        + "\n\n"
        + BASE[BASE.index("class Plugin") :].replace("Plugin:", "Second:").replace('"NAME"', '"NAME_two"'),
        entries={"NAME": "NAME:Plugin", "NAME_two": "NAME:Second"},
    ),
}
for _title, _import in {
    "a guarded sdk": "from pipelex.plugins.inference_backend_registry import require_sdk\n",
    "class variables": "from typing import ClassVar\n",
    "final members": "from typing import Final\n",
    "a plugin that is a dataclass": "from dataclasses import dataclass\n",
    "the protocol as base": "from pipelex.plugins.contract import PipelexPlugin\n",
    "the version by its name": "from pipelex.plugins.contract import PLUGIN_API_VERSION\n",
}.items():
    LEGAL[_title].files["NAME.py"] = _import + LEGAL[_title].files["NAME.py"]

# What stops the plugin at every start.
AT_BOOT: dict[str, Row] = {
    "no name": changed('    name = "NAME"\n', ""),
    "no targets_api": changed("    targets_api = 1\n", ""),
    "no register": changed("def register", "def registers"),
    "register is no method": changed(MEMBERS, f"{MEMBERS}    register = None\n").__class__(
        {"NAME.py": BASE.partition(MEMBERS)[0] + MEMBERS + "    register = None\n"}
    ),
    "an empty name": changed('name = "NAME"', 'name = ""'),
    "a name in capitals": changed('name = "NAME"', 'name = "Name"'),
    "a name that is no text": changed('name = "NAME"', "name = 7"),
    "a name that raises": changed(
        '    name = "NAME"\n', "    @property\n    def name(self) -> str:\n        raise KeyError('name')\n\n"
    ),
    "a version in quotes": changed("targets_api = 1", 'targets_api = "1"'),
    "a version that is a bool": changed("targets_api = 1", "targets_api = True"),
    "a version that is a float": changed("targets_api = 1", "targets_api = 1.0"),
    "the next version": changed("targets_api = 1", "targets_api = 2"),
    "an import of its own that fails": top("from NAME_helper import help_me\n"),
    "a name that its module lacks": top("from os import no_such_name\n"),
    "raises at load": top("1 / 0\n"),
    "exits at load": top("raise SystemExit(0)\n"),
    "a panic at load": top("class Panic(BaseException):\n    pass\n\n\nraise Panic\n"),
    "a generator exit at load": top("raise GeneratorExit\n"),
    "cancelled at load": top("import asyncio\n\nraise asyncio.CancelledError\n"),
    "an exception without words": top(
        "class Silent(Exception):\n    def __str__(self) -> str:\n        raise ValueError\n\n\nraise Silent\n"
    ),
    "a factory that raises": bottom("def make_plugin() -> Plugin:\n    raise RuntimeError('no')", "make_plugin"),
    "a factory with an argument": bottom("def make_plugin(level: int) -> Plugin:\n    return Plugin()", "make_plugin"),
    "an async factory": bottom("async def make_plugin() -> Plugin:\n    return Plugin()", "make_plugin"),
    "a factory of nothing": bottom("def make_plugin() -> None:\n    return None", "make_plugin"),
    "a constructor with an argument": changed(
        MEMBERS, f"{MEMBERS}\n    def __init__(self, key: str) -> None:\n        self.key = key\n"
    ),
    "an abstract plugin": text(
        "from abc import ABC, abstractmethod\n"
        + BASE.replace(CLASS, "\n\nclass Plugin(ABC):\n")
        + "\n    @abstractmethod\n    def more(self) -> int: ...\n"
    ),
    "another attribute": text(entries={"NAME": "NAME:Plug"}),
    "another module": text(entries={"NAME": "NAME_s:Plugin"}),
    "a module alone": text(entries={"NAME": "NAME"}),
    "a constant": bottom("plugin = 'NAME'", "plugin"),
    "register raises": ordering("raise RuntimeError('halfway')"),
    "register panics": ordering("raise GeneratorExit"),
    "register is async": changed("    def register", "    async def register"),
    "register yields": ordering("yield"),
    "register takes nothing": changed(
        REGISTER, "    def register(self) -> None:\n        registrar = PluginRegistrar(plugin_name='x')\n"
    ),
    "a family as text": changed("InferenceFamily.LLM", '"llm"'),
    "an empty sdk": changed('sdk="NAME"', 'sdk=""'),
    "an sdk with a space": changed('sdk="NAME"', 'sdk="NAME two"'),
    "make_worker called": changed("make_worker=make_worker)", "make_worker=make_worker())"),
    "make_worker as text": changed("make_worker=make_worker)", 'make_worker="NAME:make_worker")'),
    "a misspelt keyword": changed("    sdk_clients: ", "    sdk_client: "),
    "a keyword too few": changed("    sdk_clients: SdkClientRegistry,\n", ""),
    "an async make_worker": changed("def make_worker", "async def make_worker"),
    "one backend twice": text(BASE + ORDER),
    "the backend of a built-in": changed('sdk="NAME"', 'sdk="openai"'),
    "the name of a built-in": text(BASE.replace('name = "NAME"', 'name = "openai"'), entries={"openai": "NAME:Plugin"}),
    "a lister that is not async": text(
        LISTER_IMPORTS
        + BASE.partition(CLASS)[0]
        + LISTER.replace("async def", "def")
        + CLASS
        + BASE.partition(CLASS)[2]
        + '        registrar.add_model_lister(sdk="NAME", lister=list_models)\n'
    ),
    "a lister of an sdk that is not served": text(
        LISTER_IMPORTS
        + BASE.partition(CLASS)[0]
        + LISTER
        + CLASS
        + BASE.partition(CLASS)[2]
        + '        registrar.add_model_lister(sdk="NAME_two", lister=list_models)\n'
    ),
    "a command of the core": ordering('registrar.add_command(name="llm", help="Ask.", run=lambda call: 0)'),
    "a command of a built-in": ordering('registrar.add_command(name="local", help="Ask.", run=lambda call: 0)'),
    "a command without arguments": ordering('registrar.add_command(name="NAME", help="Ask.", run=lambda: 0)'),
    "a help of two lines": ordering('registrar.add_command(name="NAME", help="Ask.\\nNow.", run=lambda call: 0)'),
    "an async command": text(
        f"from pipelex.plugins.command_call import CommandCall\n{BASE.partition(CLASS)[0]}\n\n"
        f"async def greet(call: CommandCall) -> int:\n    return 0\n{CLASS}{BASE.partition(CLASS)[2]}"
        '        registrar.add_command(name="NAME", help="Greet.", run=greet)\n'
    ),
    "a registrar without its state": ordering("registrar._backends = None"),
    "two names in one spelling": text(
        BASE
        + "\n\n"
        + BASE[BASE.index("class Plugin") :]
        .replace("Plugin:", "Second:")
        .replace('"NAME"', '"two-names-in-one-spelling"', 1)
        .replace('sdk="NAME"', 'sdk="NAME_two"'),
        entries={"NAME": "NAME:Plugin", "two-names-in-one-spelling": "NAME:Second"},
    ),
    "two plugins with one sdk": text(
        BASE
        + "\n\n"
        + BASE[BASE.index("class Plugin") :]
        .replace("Plugin:", "Second:")
        .replace('name = "NAME"', 'name = "NAME_two"'),
        entries={"NAME": "NAME:Plugin", "NAME_two": "NAME:Second"},
    ),
}

# What a start does not notice, and the sandbox does.
SWALLOW = "try:\n    {}\nexcept Exception:\n    pass\n"
IN_SANDBOX: dict[str, Row] = {
    "the sdk at the top": top(SWALLOW.format("import acme")),
    "the sdk by import_module": top(
        "from importlib import import_module\n\n" + SWALLOW.format("import_module('acme')")
    ),
    "the sdk by __import__": top(SWALLOW.format("__import__('acme')")),
    "the sdk by exec": top(SWALLOW.format("exec('import acme')")),
    "the sdk by pkgutil": top("import pkgutil\n\n" + SWALLOW.format("pkgutil.resolve_name('acme:Client')")),
    "the sdk by pydoc": top("import pydoc\n\n" + SWALLOW.format("pydoc.locate('acme.Client')")),
    "the sdk by importlib.resources": top(
        "import importlib.resources\n\n" + SWALLOW.format("importlib.resources.files('acme')")
    ),
    "the sdk in a helper": Row(
        PACKAGE | {"NAME/worker.py": SWALLOW.format("import acme") + PACKAGE["NAME/worker.py"]}, IN_PACKAGE
    ),
    "the running system": top("import pipelex.hub\n"),
    "a socket": top("import socket\n\n" + SWALLOW.format("socket.create_connection(('127.0.0.1', 9))")),
    "a process": top("import subprocess\n\n" + SWALLOW.format("subprocess.run(['true'])")),
    "a shell": top("import os\n\n" + SWALLOW.format("os.system('true')")),
    "a process without an event": top(
        "import _posixsubprocess\n\n" + SWALLOW.format("_posixsubprocess.fork_exec(*[None] * 23)")
    ),
    "a process by a second copy of a module": top(
        "import subprocess\nimport sys\n\nsys.modules.pop('_posixsubprocess')\n"
        + SWALLOW.format("import _posixsubprocess; _posixsubprocess.fork_exec(*[None] * 23)")
    ),
    "a thread by a second copy of a module": top(
        "import sys\n\nkept = sys.modules.pop('_thread')\n"
        + SWALLOW.format("import _thread; _thread.start_new_thread(int, ())")
        + "sys.modules['_thread'] = kept\n"
    ),
    "a signal handler": top("import signal\n\n" + SWALLOW.format("signal.signal(signal.SIGTERM, signal.SIG_DFL)")),
    "a builtin that is replaced": top("import builtins\n\nbuiltins.print = lambda *_: None\n"),
    "the umask": top("import os\n\n" + SWALLOW.format("os.umask(os.umask(0o022))")),
    "the sdk by a text that the standard library runs": top(
        "import timeit\n\n" + SWALLOW.format("timeit.timeit('import acme', number=1)")
    ),
    "a thread": top("import threading\n\n" + SWALLOW.format("threading.Thread(target=int).start()")),
    "a pool": top(
        "from concurrent.futures import ThreadPoolExecutor\n\n" + SWALLOW.format("ThreadPoolExecutor(1).submit(int)")
    ),
    "a file written": top(
        "from pathlib import Path\n\n" + SWALLOW.format("Path(__file__).with_suffix('.out').write_text('x')")
    ),
    "a folder made": top("from pathlib import Path\n\n" + SWALLOW.format("Path(__file__).with_suffix('.d').mkdir()")),
    "the environment changed": top("import os\n\n" + SWALLOW.format("os.environ['NAME'] = '1'")),
    "another working directory": top("import os\n\n" + SWALLOW.format("os.chdir('/')")),
    "a database": top("import sqlite3\n\n" + SWALLOW.format("sqlite3.connect(':memory:')")),
    "native code": top("import ctypes\n\n" + SWALLOW.format("ctypes.string_at(ctypes.pythonapi.Py_GetVersion)")),
    "a trace function": top("import sys\n\n" + SWALLOW.format("sys.settrace(lambda *_: None)")),
    "an audit hook": top("import sys\n\n" + SWALLOW.format("sys.addaudithook(lambda *_: None)")),
    "a fork": top("import os\n\n" + SWALLOW.format("os.fork()"), boots=False),
    "the end of the process": top("import os\n\nos._exit(0)\n", boots=False),
    "finders removed": text(BASE + "\n\nimport sys\n\nsys.meta_path.clear()\n" + SWALLOW.format("import acme")),
    "a finder without a finger": text(
        BASE + "\n\nimport sys\n\nfor finder in sys.meta_path:\n    "
        "finder.find_spec = lambda *_: None\n" + SWALLOW.format("import acme")
    ),
    "a phase that is set": top(
        "import sys\nimport subprocess\n\nfor finder in sys.meta_path:\n    finder.phase = ''\n"
        + SWALLOW.format("subprocess.run(['true'])")
    ),
    "lists that are emptied": top(
        "import __main__\nimport os\n\n__main__.REFUSED_WHILE_LOADING = __main__.REFUSED_WHILE_REGISTERING = ()\n"
        "__main__.Refused = Exception\nwrite, os.write = os.write, lambda *_: 0\n"
        + SWALLOW.format("open(__file__ + '.out', 'w')")
        + "os.write = write\n"
    ),
    "a file read in register": ordering("open(__file__).close()"),
    "a swallowed refusal in register": ordering(
        "try:\n            open(__file__).close()\n        except BaseException:\n            pass"
    ),
    "a folder listed in register": ordering("os.listdir('.')", head="import os\n"),
    "a pause in register": ordering("time.sleep(0.001)", head="import time\n"),
    "the sdk in register": ordering("try:\n            import acme\n        except ImportError:\n            pass"),
    "something else each time": changed(
        ORDER,
        '        SEEN.append(1)\n        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk=f"NAME{len(SEEN)}", make_worker=make_worker)\n',
    ),
}
IN_SANDBOX["something else each time"].files["NAME.py"] = (
    "SEEN: list[int] = []\n" + IN_SANDBOX["something else each time"].files["NAME.py"]
)

# What works until a worker is called, and the static rules of the check see.
BY_TYPES: dict[str, Row] = {
    "a wheel without the package": Row(PACKAGE, IN_PACKAGE, "types", build=f'{HATCHLING}packages = ["NAME"]\n'),
    "an entry point that begins with src": Row(PACKAGE, {"NAME": "src.NAME.plugin:Plugin"}, "types", boots=False),
    "a wheel without one module": Row(
        PACKAGE, IN_PACKAGE, "types", build=f'{HATCHLING}packages = ["src/NAME"]\nexclude = ["src/NAME/worker.py"]\n'
    ),
    "a hook with another job": changed("job: LLMJob", "job: str"),
    "a hook that returns text": changed(
        "-> InferenceResult[str]:\n        return InferenceResult(content=", "-> str:\n        return ("
    ).__class__(
        {
            "NAME.py": BASE.replace("-> InferenceResult[str]:", "-> str:").replace(
                "InferenceResult(content=job.prompt.user_text.upper())", "job.prompt.user_text"
            )
        }
    ),
    "a public method overridden": changed(
        "    async def _gen_text(",
        "    async def gen_text(self, job: object) -> str:\n        return 'blue'\n\n    async def _gen_text(",
    ),
    **{
        f"a hook that blocks by {title}": changed(HOOK, f"{HOOK}        {code}\n")
        for title, code in {
            "sleep": "import time as clock\n        clock.sleep(1)",
            "urlopen": "from urllib import request\n        request.urlopen('https://a.test')",
            "a dotted module": "import urllib.request\n        urllib.request.urlopen('https://a.test')",
            "requests": "import requests\n        requests.post('https://a.test')",
            "a session": "import requests\n        with requests.Session() as session:\n            session.get('https://a.test')",
            "a process": "from subprocess import check_output as run\n        run(['true'])",
            "an argument": "import asyncio, time\n        await asyncio.to_thread(print, time.sleep(1))",
        }.items()
    },
    "a misspelt hook": changed("_gen_text", "_generate_text"),
    "a field that is not there": changed("user_text.upper()", "usertext.upper()"),
    "a worker of another family": changed("InferenceFamily.LLM", "InferenceFamily.SEARCH"),
    "no annotations": changed(
        "def register(self, registrar: PluginRegistrar) -> None:", "def register(self, registrar):"
    ),
    "a private name of the host": top("from pipelex.plugins.registrar import MergedRegistrar\n"),
    "printing in register": ordering("print('hello')"),
    "a parameter of another type": changed("    inference_model: InferenceModelSpec,", "    inference_model: str,"),
}

# What only a call shows.
ANY = "from typing import Any\n\n\ndef untyped() -> Any:\n    return {}\n\n\n"
BY_CALLS: dict[str, Row] = {
    "a hook returns text through Any": changed("InferenceResult(content=job.prompt.user_text.upper())", "untyped()"),
    "content that is None": changed("job.prompt.user_text.upper()", "untyped()"),
    "usage that is text": changed("job.prompt.user_text.upper())", "job.prompt.user_text.upper(), usage=untyped())"),
    "a hook that raises": text(
        BASE.replace("async def _gen_text", "async def gen_text_late").replace(
            "class Worker(LLMWorkerAbstract):\n",
            "class Worker(LLMWorkerAbstract):\n    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:\n        raise ValueError('later')\n\n",
        )
    ),
}
for _title, _value in {
    "a hook returns text through Any": "'text'",
    "content that is None": "None",
    "usage that is text": "'text'",
}.items():
    BY_CALLS[_title].files["NAME.py"] = ANY.format(_value) + BY_CALLS[_title].files["NAME.py"]

GROUPS: dict[Seen, dict[str, Row]] = {
    "nobody": LEGAL, "boot": AT_BOOT, "sandbox": IN_SANDBOX, "types": BY_TYPES, "calls": BY_CALLS,
}  # fmt: skip
