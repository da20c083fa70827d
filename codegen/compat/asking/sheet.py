"""The questions of a comparison for the type checker: an assignment each, all answered in one run.

Beside the projections of both trees are the single changes: a signature with one change made to it, in a world in
which every type that it mentions is unchanged. So a question is about that change alone, not about what follows from
the change of something else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from codegen.compat.asking.projection import (
    Names,
    Projector,
    member_callable,
    module_text,
    project_tree,
    shared_module,
)
from codegen.compat.model import Direction
from codegen.compat.reading.spelling import Flow
from pipelex.spi.stub_tree import ClassKind, ClassShape, FunctionShape, Method, VariableShape, reference
from pipelex.spi.type_check import Diagnostic, UndecidedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Unpack

    from codegen.compat.reading.pair import Pair
    from pipelex.spi.stub_tree import Shape, TreeShape, Type


class _Options(TypedDict):
    """The arguments of a projector."""

    tree: TreeShape
    canonical: Callable[[str], str]
    names: Names
    home: Callable[[str], str]
    shared: str


_TARGET = re.compile(r" {4}target_(\d+): ")
_QUESTION = re.compile(r"(?:class (?:Old|New)|def question_)(\d+)\b")
_PROJECTED = re.compile(r"class (\w+)__(?:in|out|make|call)\b")


class Answers(NamedTuple):
    """What the type checker answered.

    Attributes:
        failed: The questions that were answered with no.
        unread: The symbols that it cannot read, each with its message.
    """

    failed: set[int]
    unread: dict[str, str]


class _Adapted(Projector):
    """Spells the types of the new tree in the world of the old one, its type variables included."""

    def __init__(self, *, elder: Projector, **options: Unpack[_Options]) -> None:
        super().__init__(**options)
        self._elder = elder

    def type(self, type_: Type | None, flow: Flow) -> str:
        """Spell a type; what is taken over from the old tree, as that tree spells it."""
        self._elder.callable_flow = self.callable_flow
        if type_ is not None and type_.module.tree is self._elder.tree:
            return self._elder.type(type_, flow)
        return super().type(type_, flow)

    def variable(self, key: str, flow: Flow) -> str:
        """Spell a type variable, as the old tree defines it where it does."""
        canonical = self.canonical(key)
        if canonical not in self._elder.tree.shapes:
            return super().variable(key, flow)
        self._elder.callable_flow = self.callable_flow
        return self._elder.variable(canonical, flow)


class _Rebound(Projector):
    """Spells the types of the old tree, but for the type variables, which are those of the new one."""

    def __init__(self, *, fresh: Projector, pairs: Mapping[str, str], **options: Unpack[_Options]) -> None:
        super().__init__(**options)
        self._fresh = fresh
        self._pairs = pairs

    def variable(self, key: str, flow: Flow) -> str:
        """Spell a type variable as the new tree defines it where it does."""
        if key not in self._pairs:
            return super().variable(key, flow)
        self._fresh.callable_flow = self.callable_flow
        return self._fresh.variable(self._pairs[key], flow)


class _Common:
    """What a class has in both trees."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def _both(self, shape: ClassShape) -> tuple[ClassShape, ClassShape] | None:
        key = shape.key if shape.module.tree is self._pair.old else self._pair.identity.canonical(shape.key)
        old, new = self._pair.old.shapes.get(key), self._pair.new.shapes.get(self._pair.identity.pairs.get(key, ""))
        return (old, new) if isinstance(old, ClassShape) and isinstance(new, ClassShape) else None

    def member(self, shape: ClassShape, name: str) -> bool:
        """Return whether a class has a member in both trees."""
        both = self._both(shape)
        return both is not None and all(
            tree.find(one, name) is not None for tree, one in zip((self._pair.old, self._pair.new), both, strict=True)
        )

    def base(self, shape: ClassShape, base: Type) -> bool:
        """Return whether a class derives from one of its bases in both trees."""
        both = self._both(shape)
        if both is None or shape.module.tree is self._pair.old:
            return True
        return self._pair.identity.canonical(reference(base)) in self._pair.old.ancestry(both[0])


class Sheet:
    """Collects questions and makes the program that answers them.

    Args:
        pair: The trees.
        prefix: What the names of the program's modules begin with.
    """

    def __init__(self, pair: Pair, prefix: str = "spi") -> None:
        self._pair = pair
        self._modules = {side: f"{prefix}_{side}" for side in ("old", "new", "shared", "questions")}
        self._names = _names(pair)
        self._lines: list[str] = []
        self._count = 0
        self._subjects: dict[int, str] = {}
        self._unread: dict[str, str] = {}
        self.subject = ""
        self._old = Projector(**self._options(pair.old))
        self._new = _Adapted(elder=self._old, **self._options(pair.new))
        self._fresh = Projector(**self._options(pair.new))
        self._fresh.variable_tag = "_new"
        self._rebound = _Rebound(fresh=self._fresh, pairs=pair.identity.pairs, **self._options(pair.old))
        self._askers = (self._old, self._new, self._fresh, self._rebound)
        for projector in self._askers:
            projector.exact = True
        self._new.takes_any = True

    def _options(self, tree: TreeShape) -> _Options:
        return {
            "tree": tree,
            "canonical": self._pair.identity.canonical if tree is self._pair.new else str,
            "names": self._names,
            "home": lambda key: self._modules["new" if tree is self._pair.new and self._is_new(key) else "old"],
            "shared": self._modules["shared"],
        }

    def _is_new(self, key: str) -> bool:
        """Return whether a symbol of the new tree has no counterpart that is generic in as many variables."""
        old, new = self._pair.old.shapes.get(key), self._pair.new.shapes.get(self._pair.identity.pairs.get(key, key))
        return old is None or _arity(old) != _arity(new)

    def ask(self, source: str, target: str) -> int:
        """Ask whether a value of one type fits where another is asked for.

        Args:
            source: The type of the value.
            target: The type asked for.

        Returns:
            The number of the question.
        """
        return self._ask([], source, target)

    def _ask(self, callables: list[str], source: str, target: str) -> int:
        """Ask a question about callables. One that is no valid Python is not asked: its symbol cannot be read."""
        self._count += 1
        self._subjects[self._count] = self.subject
        lines = [
            *callables,
            f"def question_{self._count}(value: {source}) -> None:",
            f"    target_{self._count}: {target} = value",
        ]
        try:
            compile("\n".join(lines), "", "exec", dont_inherit=True)
        except SyntaxError as exc:
            self._unread.setdefault(self.subject, self._names.plain(f"{exc.msg}: {(exc.text or '').strip()}"))
        else:
            self._lines += lines
        return self._count

    def ask_callable(
        self, old: Method, new: Method, direction: Direction, owner: tuple[ClassShape, ClassShape] | None = None
    ) -> int:
        """Ask whether a callable fits where another one did.

        Args:
            old: The old callable.
            new: The new one.
            direction: Who writes it.
            owner: The class that it belongs to, in the old tree and in the new one.
        """
        self._enter(owner)
        return self._ask_callables(old, new, self._new, direction)

    def ask_variables(self, old: Method, direction: Direction, owner: ClassShape | None = None) -> int:
        """Ask whether a callable goes on fitting when its type variables are those of the new tree.

        Args:
            old: The callable.
            direction: Who writes it.
            owner: The class that it belongs to.
        """
        self._enter((owner, owner) if owner else None)
        return self._ask_callables(old, old, self._rebound, direction)

    def _ask_callables(self, old: Method, new: Method, newer: Projector, direction: Direction) -> int:
        number = self._count + 1
        before, after = f"Old{number}", f"New{number}"
        callables = member_callable(self._old, old, direction, before)
        callables += member_callable(newer, new, direction, after)
        source, target = (after, before) if direction is Direction.CALLS else (before, after)
        return self._ask(callables, source, target)

    def ask_type(
        self, old: Type | None, new: Type | None, flow: Flow, owner: tuple[ClassShape, ClassShape] | None = None
    ) -> int:
        """Ask whether values of a type fit where those of another one did.

        Args:
            old: The old type.
            new: The new one.
            flow: Which way they pass.
            owner: The class of the attribute, in the old tree and in the new one.
        """
        self._enter(owner)
        before, after = self._old.type(old, flow), self._new.type(new, flow)
        return self.ask(after, before) if flow is Flow.IN else self.ask(before, after)

    def _enter(self, owner: tuple[ClassShape, ClassShape] | None) -> None:
        """Return what ``Self`` means: the old class, on both sides."""
        home = self._modules["shared" if owner is not None and owner[0].is_opaque else "old"]
        name = f"{home}.{self._names[owner[0].key]}" if owner else ""
        may_derive = owner is not None and self._may_derive(owner[0])
        for projector in self._askers:
            projector.self_type = name
            projector.self_arguments = _any_arguments(self._pair.old, owner[0]) if owner else ""
            projector.self_derives = may_derive

    def _may_derive(self, shape: ClassShape) -> bool:
        """Return whether an object of a class may be one of a subclass, of core or of a plugin."""
        was = self._pair.was.has(shape.key, Flow.OUT) and shape.kind is not ClassKind.PROTOCOL
        return not shape.final and (
            was or any(shape in self._pair.old.lineage(one)[1:] for one in self._pair.old.classes())
        )

    def ask_symbols(self) -> dict[int, tuple[str, str]]:
        """Ask of every symbol that is in both trees whether the new one, as a whole, can replace the old one.

        Returns:
            For each question the old key of the symbol, and the aspect: ``in``, ``out``, ``make``, ``call``.
        """
        asked = {}
        before, after = self._modules["old"], self._modules["new"]
        for key, new_key in self._pair.compared():
            old, new, name = self._pair.old.shapes[key], self._pair.new.shapes[new_key], self._names[key]
            self.subject = key
            if isinstance(old, FunctionShape) and isinstance(new, FunctionShape):
                asked[self.ask(f"{after}.{name}__call", f"{before}.{name}__call")] = (key, "call")
            elif isinstance(old, ClassShape) and isinstance(new, ClassShape):
                for aspect, source, target in self._ask_class(old, new, key):
                    asked[self.ask(source, target)] = (key, aspect)
        return asked

    def _ask_class(self, old: ClassShape, new: ClassShape, key: str) -> list[tuple[str, str, str]]:
        if old.is_opaque or new.is_opaque:
            return []
        name, before, after = self._names[key], self._modules["old"], self._modules["new"]
        of_old, of_new = _any_arguments(self._pair.old, old), _any_arguments(self._pair.new, new)
        found = []
        if self._pair.was.has(key, Flow.IN):
            found.append(("in", f"{after}.{name}__in{of_new}", f"{before}.{name}__in{of_old}"))
        if self._pair.was.has(key, Flow.OUT):
            found.append(("out", f"{before}.{name}__out{of_old}", f"{after}.{name}__out{of_new}"))
            if ClassKind.PROTOCOL not in {old.kind, new.kind}:
                found.append(("make", f"{after}.{name}__make", f"{before}.{name}__make"))
        return found

    def program(self) -> dict[str, str]:
        """Return the modules that ask all questions; nothing where there is none.

        What no difference can reach is the same in both trees: it is projected once, from the old one.
        """
        if not self._count:
            return {}
        pair, (before, after, shared, questions) = self._pair, self._modules.values()
        old = Projector(**self._options(pair.old) | {"home": lambda _key: ""})
        new = Projector(**self._options(pair.new) | {"home": lambda key: "" if key in pair.reached else before})
        texts = {f"{after}.pyi": f"import {before}, {shared}\n{project_tree(new, _Common(pair), pair.reached)}"}
        spelled = new.spelled.union(*(asker.spelled for asker in self._askers))
        needed = pair.reached | {key for home, key in spelled if home == before}
        texts[f"{before}.pyi"] = f"import {shared}\n{project_tree(old, _Common(pair), needed)}"
        texts[questions] = self._questions_text()
        texts[f"{shared}.pyi"] = shared_module(self._names, _merged(pair), list(texts.values()))
        return texts

    def _questions_text(self) -> str:
        gathered, *others = self._askers
        for other in others:
            gathered.modules |= other.modules
            gathered.definitions |= other.definitions
        return module_text(gathered, self._lines, [self._modules[side] for side in ("old", "new", "shared")])

    def answers(self, program: Mapping[str, str], errors: Mapping[str, Sequence[Diagnostic]]) -> Answers:
        """Return the answers of the type checker.

        Args:
            program: What :meth:`program` returned.
            errors: What the type checker reports of it.

        Raises:
            UndecidedError: It reports something that is about no symbol.
        """
        name = self._modules["questions"]
        numbers = {
            line: int(match[1])
            for line, text in enumerate(program.get(name, "").splitlines(), start=1)
            if (match := _TARGET.match(text))
        }
        found = Answers(set(), dict(self._unread))
        for module in self._modules.values():
            for error in errors.get(module, []):
                if module == name and error.code == "assignment" and error.line in numbers:
                    found.failed.add(numbers[error.line])
                else:
                    message = self._names.plain(f"{error.message} [{error.code}]")
                    found.unread.setdefault(self._subject_of(program, error, message), message)
        return found

    def _subject_of(self, program: Mapping[str, str], error: Diagnostic, message: str) -> str:
        """Return the symbol that an error is about which answers no question."""
        text = program.get(error.module) or program[f"{error.module}.pyi"]
        for line in reversed(text.splitlines()[: error.line]):
            if (question := _QUESTION.match(line)) is not None:
                return self._subjects[int(question[1])]
            if (projected := _PROJECTED.match(line)) is not None:
                return self._names.key(projected[1])
        raise UndecidedError(f"the type checker cannot read the stubs: {message}")


def _arity(shape: Shape | None) -> int:
    return len(shape.type_variables) if isinstance(shape, ClassShape) else 0


def _any_arguments(tree: TreeShape, shape: ClassShape) -> str:
    """Return the arguments of a generic class with which it is compared: ``Any`` for each variable."""
    given = []
    for key in shape.type_variables:
        variable = tree.shapes[key]
        is_spec = isinstance(variable, VariableShape) and variable.is_param_spec
        given.append("..." if is_spec else "typing.Any")
    return f"[{', '.join(given)}]" if given else ""


def _names(pair: Pair) -> Names:
    keys = [*pair.old.shapes, *(pair.identity.canonical(key) for key in pair.new.shapes)]
    return Names(list(dict.fromkeys(keys)), {key for key, _, _ in _merged(pair)})


def _merged(pair: Pair) -> list[tuple[str, ClassShape, set[str]]]:
    """Return each enum and new type, an enum with its members in either tree."""
    found: dict[str, tuple[ClassShape, set[str]]] = {}
    for tree, canonical in ((pair.old, str), (pair.new, pair.identity.canonical)):
        for shape in tree.classes():
            if shape.is_opaque:
                members = {one.name for one in shape.enum_members}
                known = found.setdefault(canonical(shape.key), (shape, set()))
                known[1].update(members)
    return [(key, shape, members) for key, (shape, members) in found.items()]
