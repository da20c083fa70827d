"""What only passes on: forwarders, routers, lambdas, partials. A value that was just gained goes on as it is."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.heavy import heavy_but
from tests.upgrading.conftest import World, change
from tests.upgrading.test_rewrites import REGISTRY, SHAPE, check

LISTER = "pipelex.plugins.model_lister_registry"
SHAPES = f"""
    from collections.abc import Callable, Sequence
    from functools import partial
    from typing import Any
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from {LISTER} import {{}}
    from pipelex.plugins.registrar import PluginRegistrar

    targets_api = {{}}

"""
OLD = "*, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool"
NEW = "*, sdk: str, backend_name: str, backend: InferenceBackend, options: ListingOptions"
PASS_OLD = "sdk=sdk, backend_name=backend_name, backend=backend, flat=flat, any_listed=any_listed"
PASS_NEW = "sdk=sdk, backend_name=backend_name, backend=backend, options=options"
REGISTER = """
    def register(registrar: PluginRegistrar) -> None:
        registrar.add_model_lister(sdk="acme", lister=lister)
"""


def regroup(world: World) -> None:
    """Let listers take their options in one record."""
    world.edit(LISTER, "        flat: bool,\n        any_listed: bool,\n", "        options: ListingOptions,\n")
    record = "@dataclass(frozen=True, kw_only=True)\nclass ListingOptions:\n    flat: bool\n    any_listed: bool\n\n\n"
    world.edit(LISTER, "class ListModelsFn", f"{record}class ListModelsFn")
    world.edit(LISTER, '["ListModelsFn",', '["ListModelsFn", "ListingOptions",')
    world.edit(LISTER, "from typing import", "from dataclasses import dataclass\nfrom typing import")
    world.changes = [
        change(
            "parameters-regrouped",
            f"{LISTER}:ListModelsFn",
            "flat, any_listed",
            "options: ListingOptions",
            migration="ListingOptions(flat={flat}, any_listed={any_listed})",
        )
    ]


REGROUPED = {
    "a forwarder": (
        f"""
        async def real({OLD}) -> Sequence[ListedModel]:
            return []

        async def lister({OLD}) -> Sequence[ListedModel]:
            return await real({PASS_OLD})
        """,
        f"""
        async def real({NEW}) -> Sequence[ListedModel]:
            return []

        async def lister({NEW}) -> Sequence[ListedModel]:
            return await real({PASS_NEW})
        """,
    ),
    "a forwarder inside a function": (
        f"""
        def make_lister() -> ListModelsFn:
            async def real({OLD}) -> Sequence[ListedModel]:
                return []

            async def lister({OLD}) -> Sequence[ListedModel]:
                return await real({PASS_OLD})

            return lister

        lister = make_lister()
        """,
        f"""
        def make_lister() -> ListModelsFn:
            async def real({NEW}) -> Sequence[ListedModel]:
                return []

            async def lister({NEW}) -> Sequence[ListedModel]:
                return await real({PASS_NEW})

            return lister

        lister = make_lister()
        """,
    ),
    "one value of its own": (
        f"""
        async def real({OLD}) -> Sequence[ListedModel]:
            return []

        async def lister({OLD}) -> Sequence[ListedModel]:
            return await real(
                sdk=sdk, backend_name=backend_name, backend=backend,
                flat=not flat, any_listed=any_listed
            )
        """,
        f"""
        async def real({NEW}) -> Sequence[ListedModel]:
            return []

        async def lister({NEW}) -> Sequence[ListedModel]:
            return await real(
                sdk=sdk, backend_name=backend_name, backend=backend,
                options=ListingOptions(flat=not options.flat, any_listed=options.any_listed)
            )
        """,
    ),
    "a lambda": (
        f"""
        async def real({OLD}) -> Sequence[ListedModel]:
            return []

        lister: ListModelsFn = lambda *, sdk, backend_name, backend, flat, any_listed: real({PASS_OLD})
        """,
        f"""
        async def real({NEW}) -> Sequence[ListedModel]:
            return []

        lister: ListModelsFn = lambda *, sdk, backend_name, backend, options: real({PASS_NEW})
        """,
    ),
    "a partial": (
        f"""
        async def real(names: list[str], {OLD}) -> Sequence[ListedModel]:
            return [] if flat else [ListedModel(id=name) for name in names]

        lister: ListModelsFn = partial(real, ["a"])
        """,
        f"""
        async def real(names: list[str], {NEW}) -> Sequence[ListedModel]:
            return [] if options.flat else [ListedModel(id=name) for name in names]

        lister: ListModelsFn = partial(real, ["a"])
        """,
    ),
    "a router": (
        f"""
        async def one({OLD}) -> Sequence[ListedModel]:
            del flat, any_listed
            return []

        async def two({OLD}) -> Sequence[ListedModel]:
            del flat
            return []

        ROUTES = {{"one": one, "two": two}}

        async def lister({OLD}) -> Sequence[ListedModel]:
            return await ROUTES[sdk]({PASS_OLD})
        """,
        f"""
        async def one({NEW}) -> Sequence[ListedModel]:
            del options
            return []

        async def two({NEW}) -> Sequence[ListedModel]:
            del options
            return []

        ROUTES = {{"one": one, "two": two}}

        async def lister({NEW}) -> Sequence[ListedModel]:
            return await ROUTES[sdk]({PASS_NEW})
        """,
    ),
    "a call through Callable[..., X]": (
        f"""
        def around(inner: Callable[..., object]) -> ListModelsFn:
            async def outer({OLD}) -> Sequence[ListedModel] | None:
                inner({PASS_OLD})
                return None

            return outer

        lister = around(print)
        """,
        f"""
        def around(inner: Callable[..., object]) -> ListModelsFn:
            async def outer({NEW}) -> Sequence[ListedModel] | None:
                inner({PASS_NEW})
                return None

            return outer

        lister = around(print)
        """,
    ),
    "all keywords at once": (
        f"""
        async def real({OLD}) -> Sequence[ListedModel]:
            return []

        async def lister(*, sdk: str, **more: Any) -> Sequence[ListedModel]:
            return await real(sdk=sdk, **more)
        """,
        f"""
        async def real({NEW}) -> Sequence[ListedModel]:
            return []

        async def lister(*, sdk: str, **more: Any) -> Sequence[ListedModel]:
            return await real(sdk=sdk, **more)
        """,
    ),
}


@pytest.mark.parametrize("case", heavy_but("a router", names=REGROUPED))
def test_a_regrouped_parameter_is_passed_on(world: World, case: str) -> None:
    regroup(world)
    before, after = REGROUPED[case]
    names = "ListingOptions, ListModelsFn" if "ListingOptions" in after else "ListModelsFn"
    check_module(world, SHAPES.format("ListModelsFn", 1), before, SHAPES.format(names, 2), after)


def check_module(world: World, old_head: str, before: str, new_head: str, after: str) -> None:
    """Upgrade a module that registers ``lister``, and compare it."""
    texts = [dedent(part) for part in (old_head, before, REGISTER, new_head, after, REGISTER)]
    check(world, "".join(texts[:3]), "".join(texts[3:]))


MAKE = SHAPE + "\n    from functools import partial\n\n    targets_api = {}\n\n"
MAKE_OLD = (
    "*, inference_model: InferenceModelSpec, backend: InferenceBackend, sdk_clients: SdkClientRegistry, "
    "reporting_delegate: ReportingProtocol | None"
)
MAKE_PASS = (
    "inference_model=inference_model, backend=backend, sdk_clients=sdk_clients, reporting_delegate=reporting_delegate"
)
NAMES = "inference_model, backend, sdk_clients, reporting_delegate"
MAKERS = """
    def register(registrar: PluginRegistrar) -> None:
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=maker)
"""


def add_timeout(world: World, to: str = "timeout_s: float | None") -> None:
    """Let workers be made with a time-out."""
    world.edit(
        REGISTRY,
        "        reporting_delegate: ReportingProtocol | None,\n",
        f"        reporting_delegate: ReportingProtocol | None,\n        {to},\n",
    )
    world.changes = [change("parameter-added", f"{REGISTRY}:MakeWorkerFn", new=to, migration="timeout_s=None")]


ADDED = {
    "a router": (
        f"""
        def one({MAKE_OLD}) -> InferenceWorkerAbstract:
            raise ValueError

        class Router:
            def make(self, {MAKE_OLD}) -> InferenceWorkerAbstract:
                routes = {{"one": one}}
                make = routes[inference_model.sdk]
                return make({MAKE_PASS})

        maker = Router().make
        """,
        f"""
        def one({MAKE_OLD}, timeout_s: float | None) -> InferenceWorkerAbstract:
            raise ValueError

        class Router:
            def make(self, {MAKE_OLD}, timeout_s: float | None) -> InferenceWorkerAbstract:
                routes = {{"one": one}}
                make = routes[inference_model.sdk]
                return make({MAKE_PASS}, timeout_s=timeout_s)

        maker = Router().make
        """,
    ),
    "a callable object": (
        f"""
        class Maker:
            def __call__(self, {MAKE_OLD}) -> InferenceWorkerAbstract:
                raise ValueError

        maker = Maker()
        """,
        f"""
        class Maker:
            def __call__(self, {MAKE_OLD}, timeout_s: float | None) -> InferenceWorkerAbstract:
                raise ValueError

        maker = Maker()
        """,
    ),
    "a lambda in a table": (
        f"""
        def one({MAKE_OLD}) -> InferenceWorkerAbstract:
            raise ValueError

        TABLE: dict[str, MakeWorkerFn] = {{
            "one": lambda *, {NAMES}: one({MAKE_PASS}),
        }}
        maker = TABLE["one"]
        """,
        f"""
        def one({MAKE_OLD}, timeout_s: float | None) -> InferenceWorkerAbstract:
            raise ValueError

        TABLE: dict[str, MakeWorkerFn] = {{
            "one": lambda *, {NAMES}, timeout_s: one({MAKE_PASS}, timeout_s=timeout_s),
        }}
        maker = TABLE["one"]
        """,
    ),
    "a decorator": (
        f"""
        def loud(make: MakeWorkerFn) -> MakeWorkerFn:
            def wrapper({MAKE_OLD}) -> InferenceWorkerAbstract:
                print("make")
                return make({MAKE_PASS})

            return wrapper

        @loud
        def maker({MAKE_OLD}) -> InferenceWorkerAbstract:
            raise ValueError
        """,
        f"""
        def loud(make: MakeWorkerFn) -> MakeWorkerFn:
            def wrapper({MAKE_OLD}, timeout_s: float | None) -> InferenceWorkerAbstract:
                print("make")
                return make({MAKE_PASS}, timeout_s=timeout_s)

            return wrapper

        @loud
        def maker({MAKE_OLD}, timeout_s: float | None) -> InferenceWorkerAbstract:
            raise ValueError
        """,
    ),
    "a caller that is none": (
        f"""
        def maker({MAKE_OLD}) -> InferenceWorkerAbstract:
            raise ValueError

        def once(spec: InferenceModelSpec, backend: InferenceBackend, clients: SdkClientRegistry) -> None:
            maker(inference_model=spec, backend=backend, sdk_clients=clients, reporting_delegate=None)
        """,
        f"""
        def maker({MAKE_OLD}, timeout_s: float | None) -> InferenceWorkerAbstract:
            raise ValueError

        def once(spec: InferenceModelSpec, backend: InferenceBackend, clients: SdkClientRegistry) -> None:
            maker(inference_model=spec, backend=backend, sdk_clients=clients, reporting_delegate=None, timeout_s=None)
        """,
    ),
}


@pytest.mark.parametrize("case", heavy_but("a decorator", "a caller that is none", names=ADDED))
@pytest.mark.parametrize("to", ["timeout_s: float | None", "timeout_s: float | None = None"], ids=["must", "may"])
def test_an_added_parameter_is_passed_on(world: World, case: str, to: str) -> None:
    add_timeout(world, to)
    before, after = ADDED[case]
    after = after.replace("timeout_s: float | None", to)
    if "=" in to:  # a caller need not give it, and a lambda has the default too
        after = after.replace("=None, timeout_s=None)", "=None)").replace(", timeout_s: one", ", timeout_s=None: one")
    texts = [dedent(part) for part in (MAKE.format(1), before, MAKERS, MAKE.format(2), after, MAKERS)]
    check(world, "".join(texts[:3]), "".join(texts[3:]))


def test_a_removed_parameter_that_is_only_passed_on_is_removed_from_both(world: World) -> None:
    world.edit(LISTER, "        flat: bool,\n        any_listed: bool,\n", "")
    world.changes = [
        change("parameter-removed", f"{LISTER}:ListModelsFn", "flat"),
        change("parameter-removed", f"{LISTER}:ListModelsFn", "any_listed"),
    ]
    before = f"""
        async def real({OLD}) -> Sequence[ListedModel]:
            del flat, any_listed
            return []

        async def lister({OLD}) -> Sequence[ListedModel]:
            return await real({PASS_OLD})
        """
    gone = {", flat: bool, any_listed: bool": "", ", flat=flat, any_listed=any_listed": ""}
    after = before.replace("            del flat, any_listed\n", "")
    for old, new in gone.items():
        after = after.replace(old, new)
    check_module(world, SHAPES.format("ListModelsFn", 1), before, SHAPES.format("ListModelsFn", 2), after)


def wrap_rows(world: World) -> None:
    """Let listers return a record."""
    record = "@dataclass(frozen=True, kw_only=True)\nclass Listing:\n    rows: Sequence[ListedModel]\n\n\n"
    world.edit(LISTER, "-> Sequence[ListedModel] | None", "-> Listing | None")
    world.edit(LISTER, "class ListModelsFn", f"{record}class ListModelsFn")
    world.edit(LISTER, '["ListModelsFn",', '["ListModelsFn", "Listing",')
    world.edit(LISTER, "from typing import", "from dataclasses import dataclass\nfrom typing import")
    world.changes = [
        change(
            "return-wrapped",
            f"{LISTER}:ListModelsFn",
            "Sequence[ListedModel] | None",
            "Listing | None",
            migration="Listing(rows={})",
        )
    ]


def without_rows(head: str) -> str:
    """Return the imports of a module without those that only the rows of a lister needed."""
    lines = head.replace("Callable, Sequence", "Callable").splitlines(keepends=True)
    return "".join(line for line in lines if "import ListedModel" not in line)


REAL = f"""
        async def real({OLD}) -> Sequence[ListedModel]:
            return []
"""
REAL_WRAPPED = REAL.replace("Sequence[ListedModel]", "Listing").replace("[]", "Listing(rows=[])")
WRAPPED = {
    "a forwarder": ("return await real({})", "return await real({})"),
    "nothing": ("return None", "return None"),
    "a variable": ("rows = await real({})\n            return rows", "rows = await real({})\n            return rows"),
    "one of two": ("return await real({}) if flat else []", "return await real({}) if flat else Listing(rows=[])"),
    "nothing or not": ("return None if flat else []", "return None if flat else Listing(rows=[])"),
    "in brackets": (
        "return (\n                []\n            )",
        "return Listing(rows=(\n                []\n            ))",
    ),
}


@pytest.mark.parametrize("case", heavy_but("one of two", names=WRAPPED))
def test_what_is_wrapped_already_is_not_wrapped_again(world: World, case: str) -> None:
    wrap_rows(world)
    before, after = (body.format(PASS_OLD) for body in WRAPPED[case])
    head = f"""
        async def lister({OLD}) -> Sequence[ListedModel] | None:
            """
    before, after = (
        REAL + head + before + "\n",
        REAL_WRAPPED + head.replace("Sequence[ListedModel]", "Listing") + after + "\n",
    )
    new_head = without_rows(SHAPES.format("Listing, ListModelsFn", 2))
    check_module(world, SHAPES.format("ListModelsFn", 1), before, new_head, after)


def test_what_an_earlier_run_wrapped_is_not_wrapped_again(world: World) -> None:
    """Of a function that returns ``Any`` both versions are right, so that its version cannot be known."""
    wrap_rows(world)
    source = SHAPES.format("ListModelsFn", "PLUGIN_API_VERSION").replace(
        "    targets", "    from pipelex.plugins.contract import PLUGIN_API_VERSION\n\n    targets"
    )
    body = f"""
        rows: Any = []

        async def lister({OLD}) -> Any:
            return rows
        """
    world.write(plugin=dedent(source) + dedent(body) + dedent(REGISTER))
    world.upgrade()
    assert "return Listing(rows=rows)" in world.read()
    assert [] == world.upgrade().changed


def test_a_call_shape_that_is_no_longer_async_is_not_awaited(world: World) -> None:
    world.edit(LISTER, "    async def __call__", "    def __call__")
    world.changes = [change("async-changed", f"{LISTER}:ListModelsFn", "async", "sync")]
    before = f'''{REAL}
        async def lister({OLD}) -> Sequence[ListedModel]:
            """Await and yield nothing else."""
            return await real({PASS_OLD})
        '''
    after = before.replace("async def", "def").replace("await real", "real")
    check_module(world, SHAPES.format("ListModelsFn", 1), before, SHAPES.format("ListModelsFn", 2), after)


def test_three_changes_of_one_call_shape_are_made_together(world: World) -> None:
    """Regrouped, wrapped and no longer async, in one version."""
    regroup(world)
    changes = world.changes
    wrap_rows_of_regrouped(world)
    world.edit(LISTER, "    async def __call__", "    def __call__")
    world.changes += [*changes, change("async-changed", f"{LISTER}:ListModelsFn", "async", "sync")]
    before = f"""{REAL}
        async def lister({OLD}) -> Sequence[ListedModel]:
            return await real({PASS_OLD})
        """
    after = f"""{REAL_WRAPPED.replace(OLD, NEW)}
        def lister({NEW}) -> Listing:
            return real({PASS_NEW})
        """.replace("async def", "def")
    names = "Listing, ListingOptions, ListModelsFn"
    new_head = without_rows(SHAPES.format(names, 2))
    check_module(world, SHAPES.format("ListModelsFn", 1), before, new_head, after)


def wrap_rows_of_regrouped(world: World) -> None:
    """Let listers return a record; dataclasses are imported already."""
    world.edit(LISTER, "from dataclasses import dataclass\n", "")
    wrap_rows(world)


def test_a_lister_that_writes_its_own_output_returns_nothing_as_before(world: World) -> None:
    wrap_rows(world)
    body = f"""
        async def lister({OLD}) -> None:
            print(sdk)
        """
    check_module(world, SHAPES.format("ListModelsFn", 1), body, SHAPES.format("ListModelsFn", 2), body)


def test_a_parameter_that_comes_with_one_version_is_regrouped_by_the_next(world: World) -> None:
    """In a lambda, in one go: it has no annotations, in neither step."""
    add_timeout(world)
    world.release()
    world.edit(REGISTRY, "timeout_s: float | None", "limits: Limits", version=3)
    record = (
        "class Limits:\n    timeout_s: float | None\n    def __init__(self, *, timeout_s: float | None) -> None: ...\n"
    )
    world.edit(REGISTRY, "class MakeWorkerFn", f"{record}\n\nclass MakeWorkerFn", version=3)
    world.edit(REGISTRY, '["InferenceFamily",', '["InferenceFamily", "Limits",', version=3)
    grouped = "Limits(timeout_s={timeout_s})"
    symbol = f"{REGISTRY}:MakeWorkerFn"
    world.changes.append(
        change("parameters-regrouped", symbol, "timeout_s", "limits: Limits", migration=grouped, version=3)
    )
    body = f"""
        def one({MAKE_OLD}) -> InferenceWorkerAbstract:
            raise ValueError

        maker: MakeWorkerFn = lambda *, {NAMES}: one({MAKE_PASS})

        def call(spec: InferenceModelSpec, backend: InferenceBackend, clients: SdkClientRegistry) -> None:
            one(inference_model=spec, backend=backend, sdk_clients=clients, reporting_delegate=None)
        """
    world.write(plugin=dedent(MAKE.format(1)) + dedent(body) + dedent(MAKERS))
    assert [] == world.upgrade().left
    assert f"def one({MAKE_OLD}, limits: Limits) -> InferenceWorkerAbstract:" in world.read()
    assert f"lambda *, {NAMES}, limits: one({MAKE_PASS}, limits=limits)" in world.read()
    assert "reporting_delegate=None, limits=Limits(timeout_s=None))" in world.read()


def test_types_in_a_comment_are_left_to_the_author(world: World) -> None:
    """An annotation beside the comment would be one type too many."""
    add_timeout(world)
    types = "InferenceModelSpec, InferenceBackend, SdkClientRegistry, ReportingProtocol | None"
    body = f"""
        def maker({NAMES}):
            # type: ({types}) -> InferenceWorkerAbstract
            raise ValueError
        """
    world.write(plugin=dedent(MAKE.format(1)) + dedent(body) + dedent(MAKERS))
    assert any("its types are in a comment" in item.reason for item in world.upgrade().left)
    assert f"def maker({NAMES}):" in world.read()


def test_a_lambda_that_returns_what_is_awaited_is_left_to_the_author(world: World) -> None:
    """The record would hold a coroutine; of a plain function that returns one the same holds."""
    wrap_rows(world)
    body = f"""
        async def rows(flat: bool) -> Sequence[ListedModel]:
            return [] if flat else [ListedModel(id="a")]

        lister: ListModelsFn = lambda *, sdk, backend_name, backend, flat, any_listed: rows(flat)

        def other({OLD}) -> Any:
            return rows(flat)

        OTHER: ListModelsFn = other
        """
    world.write(plugin=dedent(SHAPES.format("ListModelsFn", 1)) + dedent(body) + dedent(REGISTER))
    reasons = [item.reason for item in world.upgrade().left]
    assert any("a lambda cannot be async" in reason for reason in reasons)
    assert any("what it returns is awaited" in reason for reason in reasons)
    assert "Listing(" not in world.read()


def test_a_tuple_without_brackets_is_wrapped_in_brackets(world: World) -> None:
    wrap_rows(world)
    body = f"""
        async def lister({OLD}) -> Sequence[ListedModel]:
            return ListedModel(id="a"), ListedModel(id="b")
        """
    after = body.replace("-> Sequence[ListedModel]", "-> Listing").replace("return ", "return Listing(rows=(")
    after = after.replace('id="b")', 'id="b")))')
    head = SHAPES.format("Listing, ListModelsFn", 2).replace("Callable, Sequence", "Callable")
    check_module(world, SHAPES.format("ListModelsFn", 1), body, head, after)


def test_parameters_that_are_only_deleted_are_deleted_as_one(world: World) -> None:
    """In brackets within the list it would be an attribute that is deleted: that is left to the author."""
    regroup(world)
    body = f"""
        async def lister({OLD}) -> Sequence[ListedModel]:
            del flat, sdk, any_listed
            return []
        """
    after = body.replace(OLD, NEW).replace("del flat, sdk, any_listed", "del options, sdk")
    names = "ListingOptions, ListModelsFn"
    check_module(world, SHAPES.format("ListModelsFn", 1), body, SHAPES.format(names, 2), after)
    world.write(
        plugin=dedent(SHAPES.format("ListModelsFn", 1))
        + dedent(body.replace("flat, sdk,", "(flat, sdk),"))
        + dedent(REGISTER)
    )
    assert any("which is assigned in here" in item.reason for item in world.upgrade(since=1).left)


def test_a_remark_goes_with_the_parameter_that_it_excuses(world: World) -> None:
    """And where the parameter that takes the place is used, the remark in that place goes."""
    regroup(world)
    body = """
        async def lister(
            *,
            sdk: str,
            backend_name: str,
            backend: InferenceBackend,
            flat: bool,  # noqa: ARG001 - the command draws
            # how it was
            any_listed: bool,{remark}
        ) -> Sequence[ListedModel]:
            return [{use}]
        """
    heads = SHAPES.format("ListModelsFn", 1), SHAPES.format("ListingOptions, ListModelsFn", 2)
    after = body.replace("flat: bool", "options: ListingOptions").replace("            any_listed: bool,{remark}\n", "")
    unused = {"remark": "  # noqa: ARG001 - likewise", "use": ""}
    check_module(world, heads[0], body.format(**unused), heads[1], after.format(use=""))
    used = after.format(use="ListedModel(id=str(options.any_listed))").replace(
        "  # noqa: ARG001 - the command draws", ""
    )
    check_module(world, heads[0], body.format(remark="", use="ListedModel(id=str(any_listed))"), heads[1], used)
