"""The code of a plugin, read as syntax trees: what its entry points name, its members, contributions and guards.

Whatever the code states in so many words is found; what only running it shows is left open and never guessed.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pipelex.spi.names import IDENTIFIER_RULE, is_identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipelex.reading.metadata import Declaration
    from pipelex.reading.place import Place
    from pipelex.reading.source import SourceModule

Function = ast.FunctionDef | ast.AsyncFunctionDef
LAMBDA = "lambda"
"""The name of a function that has none."""
MEMBERS = ("name", "targets_api", "register")
"""What an object has to have to be a plugin."""

_CONTRIBUTED = {"add_inference_backend": "backend", "add_model_lister": "lister", "add_command": "command"}
_HANDED_OVER = {"backend": "make_worker", "lister": "lister", "command": "run"}
_LITERALS = (ast.Constant, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.JoinedStr)


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What an entry point names, as far as the code shows it.

    Attributes:
        index: The entry point's index.
        entry: The entry point.
        module: The module that defines it; ``None`` where that is not the plugin's own.
        node: The plugin's class; ``None`` where reading does not find one.
        problem: Why that is no plugin; empty where it is one, or where only loading shows it.
        place: Where to point at.
    """

    index: int
    entry: Declaration
    module: SourceModule | None
    node: ast.ClassDef | None
    problem: str
    place: Place


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """A callable that a plugin passes to a menu method.

    Attributes:
        kind: ``backend``, ``lister`` or ``command``.
        family: The member of ``InferenceFamily``; empty for others than backends, or where it is not a literal.
        sdk: The sdk; empty for a command, or where it is not a literal.
        module: The module of the function.
        function: The function; ``None`` where it is no function of the plugin's own.
        place: The function, or the call that passes it.
        call: The call of the menu method.
        name: The name of a command; empty for others, or where it is not a literal.
    """

    kind: str
    family: str
    sdk: str
    module: SourceModule
    function: Function | None
    place: Place
    call: Place
    name: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is registered under, by kind."""
        return self.kind, self.family, self.sdk, self.name

    @property
    def is_known(self) -> bool:
        """Whether the key that it is registered under could be read."""
        match self.kind:
            case "backend":
                return bool(self.family and self.sdk)
            case "lister":
                return bool(self.sdk)
        return bool(self.name)


class Guard(NamedTuple):
    """A call of ``require_sdk``.

    Attributes:
        module: The module.
        node: The call.
        spec: The import name that it guards; ``None`` where it is not a literal.
        extra: The extra that it names; ``None`` where it is not a literal.
    """

    module: SourceModule
    node: ast.Call
    spec: str | None
    extra: str | None


class StatedApi(NamedTuple):
    """What a plugin's code states as its ``targets_api``.

    Attributes:
        place: Where.
        value: The value, where it is a literal, else ``None``.
        follows: Whether it is ``PLUGIN_API_VERSION``: whatever is installed.
    """

    place: Place
    value: object
    follows: bool

    def problem(self, wanted: int) -> str:
        """Return why a plugin with this value is refused; empty where it is not, or where only loading shows it.

        Args:
            wanted: The version that it has to be.
        """
        if self.follows or self.value is None:
            return ""
        return wrong_api(repr(self.value), is_int=type(self.value) is int, wanted=wanted)


def wrong_api(value: object, *, is_int: bool, wanted: int) -> str:
    """Return why a value of ``targets_api`` is refused; empty where it is not.

    Args:
        value: The value, as it is shown.
        is_int: Whether it is an ``int``, and no ``bool``.
        wanted: The version that it has to be.
    """
    if is_int and str(value) == str(wanted):
        return ""
    return f"targets_api is {value}{'' if is_int else ', which is no int'}"


def wrong_name(name: object) -> str:
    """Return why a plugin's name is refused; empty where it is not, or where the code states none.

    Args:
        name: The name.
    """
    if name is None or (isinstance(name, str) and is_identifier(name)):
        return ""
    return f"its name is {name!r}, which is not {IDENTIFIER_RULE}"


class PluginCode:
    """The modules of a plugin with what its entry points name in them.

    Args:
        label: What the user calls it.
        modules: Its modules by name; a mapping may read them when they are asked for.
        entry_points: How its plugins are found.
    """

    def __init__(self, label: str, modules: Mapping[str, SourceModule], entry_points: Sequence[Declaration]) -> None:
        self._label = label
        self._modules = modules
        self._entry_points = entry_points

    # --- names -------------------------------------------------------------------------------------

    def resolve(self, module: SourceModule, name: str, depth: int = 8) -> tuple[SourceModule, ast.stmt] | None:
        """Find what defines a name, following imports within the plugin.

        Args:
            module: The module that uses the name.
            name: The name.
            depth: How many more imports to follow.
        """
        if name in module.definitions:
            return module, module.definitions[name]
        one = module.bindings.get(name)
        if one is None or one.name is None or depth == 0:
            return None
        origin = self._modules.get(one.module)
        return self.resolve(origin, one.name, depth - 1) if origin is not None else None

    def constant(self, module: SourceModule, node: ast.expr | None) -> object:
        """Return the value of a literal, or of a name that is bound to one; ``None`` where it is neither.

        Args:
            module: The module.
            node: The expression.
        """
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            found = self.resolve(module, node.id)
            if found is not None and isinstance(found[1], ast.Assign | ast.AnnAssign):
                value = found[1].value
                return value.value if isinstance(value, ast.Constant) else None
        return None

    def text(self, module: SourceModule, node: ast.expr | None) -> str:
        """Return the value of a string literal, or of a name that is bound to one; empty where it is neither.

        Args:
            module: The module.
            node: The expression.
        """
        value = self.constant(module, node)
        return value if isinstance(value, str) else ""

    def bases(self, module: SourceModule, node: ast.ClassDef) -> Iterator[tuple[SourceModule, ast.ClassDef]]:
        """Yield a class and those of its bases that are the plugin's own.

        Args:
            module: The module of the class.
            node: The class.
        """
        pending, seen = [(module, node)], set()
        while pending:
            where, current = pending.pop(0)
            if (where.name, current.name) in seen:
                continue
            seen.add((where.name, current.name))
            yield where, current
            pending += [found for base in current.bases if (found := self._class(where, base)) is not None]

    def _class(self, module: SourceModule, node: ast.expr) -> tuple[SourceModule, ast.ClassDef] | None:
        found = self.resolve(module, node.id) if isinstance(node, ast.Name) else None
        return (found[0], found[1]) if found is not None and isinstance(found[1], ast.ClassDef) else None

    def method(self, module: SourceModule, node: ast.ClassDef, name: str) -> tuple[SourceModule, Function] | None:
        """Find a method of a class, in it or in a base that is the plugin's own.

        Args:
            module: The module of the class.
            node: The class.
            name: The method's name.
        """
        for where, current in self.bases(module, node):
            for child in current.body:
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name == name:
                    return where, child
        return None

    # --- plugins -----------------------------------------------------------------------------------

    @cached_property
    def plugins(self) -> tuple[Plugin, ...]:
        """What the entry points name."""
        return tuple(self._plugin(index, entry) for index, entry in enumerate(self._entry_points))

    def _plugin(self, index: int, entry: Declaration) -> Plugin:
        module = self._modules.get(entry.module)
        if module is None:
            place = entry.place or next(iter(self._modules.values())).place_at(1)
            problem = f"there is no module '{entry.module}' in {self._label}"
            if not entry.module:
                problem = f"{entry.value!r} is not of the form 'module:attribute'"
            return Plugin(index=index, entry=entry, module=None, node=None, problem=problem, place=place)
        place = entry.place or module.place_at(1)
        if not entry.attribute:
            problem = _module_problem(module)
            return Plugin(index=index, entry=entry, module=module, node=None, problem=problem, place=place)
        found = None if "." in entry.attribute else self.resolve(module, entry.attribute)
        if found is None:
            may_exist = "." in entry.attribute or _may_bind(module, entry.attribute)
            problem = "" if may_exist else f"'{entry.module}' defines no '{entry.attribute}'"
            return Plugin(index=index, entry=entry, module=module, node=None, problem=problem, place=place)
        where, node = found
        class_found, problem = self._plugin_class(where, node)
        if class_found is not None:
            where, node = class_found
            problem = problem or self._missing_member(*class_found) or self._register_problem(*class_found)
        return Plugin(
            index=index,
            entry=entry,
            module=where,
            node=node if isinstance(node, ast.ClassDef) else None,
            problem=problem,
            place=where.place(node),
        )

    def plugins_in(self, module: SourceModule) -> list[str]:
        """Return what in a module looks like a plugin: its public classes with ``register``, and instances of others.

        Args:
            module: The module.
        """
        classes = {node.name: node for node in module.tree.body if isinstance(node, ast.ClassDef)}
        plugins = [name for name, node in classes.items() if self._has_register(module, node)]
        extended = {base.id for name in plugins for base in classes[name].bases if isinstance(base, ast.Name)}
        found = [name for name in plugins if not name.startswith("_") and name not in extended]
        for name, node in module.definitions.items():
            made = self._class_called(module, node.value) if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if (
                made is not None
                and not name.startswith("_")
                and made[1].name not in found
                and self._has_register(*made)
            ):
                found.append(name)
        return found

    def _has_register(self, module: SourceModule, node: ast.ClassDef) -> bool:
        found = self.method(module, node, "register")
        return found is not None and len(found[1].args.args) == 2

    def _plugin_class(
        self, module: SourceModule, node: ast.stmt
    ) -> tuple[tuple[SourceModule, ast.ClassDef] | None, str]:
        """Find the class behind an attribute: the class itself, a factory of it, or an instance."""
        if isinstance(node, ast.ClassDef):
            made = self.method(module, node, "__init__") or self.method(module, node, "__new__")
            return (module, node), _required("the constructor of", node.name, made[1] if made else None, bound=True)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            returned = [child.value for child in ast.walk(node) if isinstance(child, ast.Return)]
            made_of = self._class_called(module, returned[0] if len(returned) == 1 else None)
            return made_of, _factory_problem(node, returns=bool(returned))
        if isinstance(node, ast.Assign | ast.AnnAssign):
            if isinstance(node.value, _LITERALS):
                return None, f"it is the constant {ast.unparse(node.value)}"
            return self._class_called(module, node.value), ""
        return None, ""

    def _class_called(self, module: SourceModule, node: ast.expr | None) -> tuple[SourceModule, ast.ClassDef] | None:
        """Return the class that an expression makes an instance of, where it is the plugin's own."""
        return self._class(module, node.func) if isinstance(node, ast.Call) else None

    def _missing_member(self, module: SourceModule, node: ast.ClassDef) -> str:
        """Return which member a class is without; empty where a base or a decorator may bring it."""
        bound = set()
        for where, current in self.bases(module, node):
            foreign = [base for base in current.bases if self._class(where, base) is None]
            if current.decorator_list or current.keywords or any(ast.unparse(base) != "object" for base in foreign):
                return ""
            bound |= _names_bound(current)
        missing = [name for name in MEMBERS if name not in bound]
        return f"'{node.name}' has no attribute '{missing[0]}'" if missing and "__getattr__" not in bound else ""

    def _register_problem(self, module: SourceModule, node: ast.ClassDef) -> str:
        """Return why calling ``register`` would register nothing; a decorator may change what it is."""
        found = self.method(module, node, "register")
        if found is None:
            statements = (child for _, current in self.bases(module, node) for child in current.body)
            value = next((one for child in statements if (one := _value_of(child, "register")) is not None), None)
            if isinstance(value, _LITERALS):
                return f"'register' of '{node.name}' is the constant {ast.unparse(value)}"
            return ""
        if found[1].decorator_list:
            return ""
        if isinstance(found[1], ast.AsyncFunctionDef):
            return f"'register' of '{node.name}' is async, so calling it registers nothing"
        if any(isinstance(one, ast.Yield | ast.YieldFrom) for one in _own_nodes(found[1])):
            return f"'register' of '{node.name}' is a generator, so calling it registers nothing"
        return ""

    def member(self, plugin: Plugin, name: str) -> tuple[SourceModule, ast.stmt, ast.expr] | None:
        """Find the value of a class attribute, or what a property returns.

        Args:
            plugin: The plugin.
            name: The attribute.

        Returns:
            The module, the statement and the value.
        """
        if plugin.module is None or plugin.node is None:
            return None
        for where, current in self.bases(plugin.module, plugin.node):
            for child in current.body:
                value = _value_of(child, name)
                if value is not None:
                    return where, child, value
        return None

    def stated_name(self, plugin: Plugin) -> object:
        """Return the name that a plugin's code states, of whatever type; ``None`` where it states none.

        Args:
            plugin: The plugin.
        """
        member = self.member(plugin, "name")
        return self.constant(member[0], member[2]) if member is not None else None

    def stated_api(self, plugin: Plugin) -> StatedApi | None:
        """Return the ``targets_api`` that a plugin's code states; ``None`` where it states none.

        Args:
            plugin: The plugin.
        """
        member = self.member(plugin, "targets_api")
        if member is None:
            return None
        module, statement, value = member
        return StatedApi(
            module.place(statement), self.constant(module, value), _origin(module, value) == "PLUGIN_API_VERSION"
        )

    def register_place(self, index: int) -> Place:
        """Return the place of a plugin's ``register``, or of the plugin where it is not seen.

        Args:
            index: The entry point's index.
        """
        plugin = self.plugins[index]
        found = self._register(plugin)
        return found[0].place(found[1]) if found is not None else plugin.place

    def _register(self, plugin: Plugin) -> tuple[SourceModule, Function] | None:
        if plugin.module is None or plugin.node is None:
            return None
        return self.method(plugin.module, plugin.node, "register")

    # --- contributions and guards ------------------------------------------------------------------

    def stated_contributions(self, plugin: Plugin) -> tuple[tuple[Contribution, ...], bool]:
        """Return what a plugin's ``register`` contributes, and whether that is all of it.

        Where its ``register`` is not found, the calls of menu methods anywhere in its module are returned.

        Args:
            plugin: The plugin.
        """
        found = self._register(plugin)
        parameters = [*found[1].args.posonlyargs, *found[1].args.args] if found is not None else []
        calls: list[tuple[SourceModule, ast.Call | None]] = []
        if found is not None and len(parameters) > 1:
            calls += self._menu_calls(*found, parameters[1].arg, plugin, depth=4)
        elif plugin.module is not None:
            calls += [(plugin.module, None), *((plugin.module, node) for node in _any_menu_calls(plugin.module))]
        contributions = tuple(self._contribution(module, call) for module, call in calls if call is not None)
        is_complete = bool(calls) and all(call is not None for _, call in calls)
        return contributions, is_complete and all(one.is_known for one in contributions)

    def _menu_calls(
        self, module: SourceModule, function: Function, registrar: str, plugin: Plugin, *, depth: int
    ) -> Iterator[tuple[SourceModule, ast.Call | None]]:
        """Yield each call of a menu method; ``None`` for a use of the registrar that cannot be followed."""
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            func = node.func
            if isinstance(func, ast.Attribute) and _is_name(func.value, registrar):
                yield module, node if func.attr in _CONTRIBUTED else None
                continue
            passed = [index for index, value in enumerate(node.args) if _is_name(value, registrar)]
            by_keyword = [word.arg for word in node.keywords if _is_name(word.value, registrar)]
            if passed or by_keyword:
                called = self._called(module, func, plugin)
                name = (
                    _parameter(called[1], passed, by_keyword, bound=isinstance(func, ast.Attribute)) if called else ""
                )
                if called is None or not name or depth == 0:
                    yield module, None
                else:
                    yield from self._menu_calls(*called, name, plugin, depth=depth - 1)

    def _called(self, module: SourceModule, func: ast.expr, plugin: Plugin) -> tuple[SourceModule, Function] | None:
        """Find the plugin's own function that a call runs: by name, or as a method of ``self`` or ``super()``."""
        if isinstance(func, ast.Name):
            found = self.resolve(module, func.id)
            if found is not None and isinstance(found[1], ast.FunctionDef):
                return found[0], found[1]
        if isinstance(func, ast.Attribute) and plugin.module is not None and plugin.node is not None:
            if _is_name(func.value, "self"):
                return self.method(plugin.module, plugin.node, func.attr)
            if isinstance(func.value, ast.Call) and _is_name(func.value.func, "super"):
                bases = list(self.bases(plugin.module, plugin.node))[1:]
                return next((found for base in bases if (found := self.method(*base, func.attr)) is not None), None)
        return None

    def _contribution(self, module: SourceModule, node: ast.Call) -> Contribution:
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        kind = _CONTRIBUTED[node.func.attr] if isinstance(node.func, ast.Attribute) else ""
        passed = keywords.get(_HANDED_OVER[kind])
        found: tuple[SourceModule, ast.stmt] | None = None
        if isinstance(passed, ast.Lambda):
            found = module, as_function(passed)
        elif isinstance(passed, ast.Name):
            found = self.resolve(module, passed.id)
        function = found[1] if found is not None and isinstance(found[1], Function) else None
        where = found[0] if found is not None and function is not None else module
        return Contribution(
            kind=kind,
            family=self._family(module, keywords.get("family")),
            sdk=self.text(module, keywords.get("sdk")) if kind != "command" else "",
            module=where,
            function=function,
            place=where.place(function) if function is not None else module.place(node),
            call=module.place(node),
            name=self.text(module, keywords.get("name")) if kind == "command" else "",
        )

    def _family(self, module: SourceModule, node: ast.expr | None) -> str:
        """Return the member that ``InferenceFamily.X``, ``InferenceFamily["X"]`` or ``InferenceFamily("x")`` names."""
        match node:
            case ast.Attribute(attr=member):
                return member
            case ast.Subscript(slice=key):
                return self.text(module, key)
            case ast.Call(args=[value]):
                return self.text(module, value).upper()
        return ""

    def guards(self, modules: Iterable[SourceModule]) -> Iterator[Guard]:
        """Yield each call of ``require_sdk`` in some modules.

        Args:
            modules: The modules.
        """
        for module in modules:
            for node in module.nodes:
                if isinstance(node, ast.Call) and _origin(module, node.func) == "require_sdk":
                    values = {keyword.arg: self.text(module, keyword.value) for keyword in node.keywords}
                    yield Guard(module, node, values.get("spec") or None, values.get("extra") or None)


def as_function(function: ast.Lambda) -> ast.FunctionDef:
    """Return a lambda as a function, for which the same rules hold.

    Args:
        function: The lambda.
    """
    returned = ast.copy_location(ast.Return(value=function.body), function.body)
    made = ast.FunctionDef(name=LAMBDA, args=function.args, body=[returned], decorator_list=[], returns=None)
    return ast.copy_location(made, function)


def _module_problem(module: SourceModule) -> str:
    """Return why a module is no plugin itself: it is one where it defines all members."""
    if all(_may_bind(module, name) for name in MEMBERS):
        return ""
    return f"it names the module '{module.name}' and no attribute of it"


def _may_bind(module: SourceModule, name: str) -> bool:
    """Return whether a module may have an attribute, in whatever way it is bound."""
    if {name, "*"} & module.bindings.keys() or {name, "__getattr__"} & module.definitions.keys():
        return True
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in module.nodes
    )


def _names_bound(node: ast.ClassDef) -> set[str]:
    """Return the names that a class's body binds, and the attributes that its methods set."""
    found = set()
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(child.name)
        elif isinstance(child, ast.Name | ast.Attribute) and isinstance(child.ctx, ast.Store):
            found.add(child.id if isinstance(child, ast.Name) else child.attr)
    return found


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function, without those of the functions in it."""
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending += ast.iter_child_nodes(node)


def _origin(module: SourceModule, node: ast.expr) -> str:
    """Return the name of pipelex's that an expression refers to, under whatever name it was imported."""
    if isinstance(node, ast.Attribute):
        return node.attr
    one = module.bindings.get(node.id) if isinstance(node, ast.Name) else None
    return one.name or "" if one is not None and one.module.startswith("pipelex.") else ""


def _any_menu_calls(module: SourceModule) -> Iterator[ast.Call]:
    for node in module.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CONTRIBUTED:
            yield node


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _parameter(function: Function, passed: Sequence[int], by_keyword: Sequence[str | None], *, bound: bool) -> str:
    """Return the parameter that takes the registrar; empty where that is not known."""
    if by_keyword:
        return by_keyword[0] or ""
    parameters = [*function.args.posonlyargs, *function.args.args]
    is_static = any(_is_name(decorator, "staticmethod") for decorator in function.decorator_list)
    index = passed[0] + (1 if bound and not is_static else 0)
    return parameters[index].arg if index < len(parameters) else ""


def _factory_problem(node: Function, *, returns: bool) -> str:
    """Return why calling a factory without arguments gives no plugin; a decorator may change what it is."""
    if node.decorator_list:
        return ""
    if isinstance(node, ast.AsyncFunctionDef):
        return f"the factory '{node.name}' is async, so calling it gives no plugin"
    if not returns and not any(isinstance(child, ast.Raise) for child in ast.walk(node)):
        return f"the factory '{node.name}' returns nothing"
    return _required("the factory", node.name, node, bound=False)


def _required(what: str, name: str, node: Function | None, *, bound: bool) -> str:
    """Name the arguments that a call without any would miss."""
    if node is None or (node.decorator_list and node.name != "__new__"):
        return ""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args][1 if bound else 0 :]
    needed = positional[: len(positional) - len(arguments.defaults)] if positional else []
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    needed += [argument for argument, default in pairs if default is None]
    names = ", ".join(f"'{argument.arg}'" for argument in needed)
    return f"{what} '{name}' needs the argument {names}" if needed else ""


def _value_of(node: ast.stmt, name: str) -> ast.expr | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == name:
            return value
        case ast.AnnAssign(target=ast.Name(id=bound), value=ast.expr() as value) if bound == name:
            return value
        case ast.FunctionDef(name=bound) if bound == name:
            returned = [child.value for child in ast.walk(node) if isinstance(child, ast.Return)]
            return returned[0] if len(returned) == 1 else None
    return None
