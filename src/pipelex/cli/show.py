"""``pipelex show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelex.cli.output import FAILED, OK, note, write_error, write_json, write_table
from pipelex.cli.session import open_pipelex
from pipelex.terminal import release_stdout, reserve_stdout, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.boot import Pipelex
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.exceptions import PipelexError
    from pipelex.plugins.model_lister_registry import ListModelsFn


class Listing:
    """What the lister of one sdk came to.

    Args:
        sdk: The sdk.
        supported: Whether its models can be listed.
        models: The models; ``None`` where the lister wrote its own output, or nothing came.
        error: Why listing failed, where it did.
    """

    def __init__(
        self,
        sdk: str,
        *,
        supported: bool = True,
        models: Sequence[ListedModel] | None = None,
        error: PipelexError | None = None,
    ) -> None:
        self.sdk = sdk
        self.supported = supported
        self.models = models
        self.error = error

    def as_data(self) -> dict[str, object]:
        """Return the listing as plain data."""
        return {
            "sdk": self.sdk,
            "supported": self.supported,
            "unstructured": self.supported and self.error is None and self.models is None,
            "models": None if self.models is None else [_as_data(model) for model in self.models],
            "error": self.error.to_dict() if self.error is not None else None,
        }


@click.group()
def show() -> None:
    """Show what the backends offer."""


@show.command()
@click.argument("backend")
@click.option("--flat", is_flag=True, help="Write the ids alone, one a line.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def models(backend: str, flat: bool, as_json: bool) -> int:
    """List the models of a BACKEND, a name of [backends.<name>] in the configuration.

    An sdk that cannot list its models is named on stderr, which is not a failure.
    """
    with open_pipelex() as px:
        listings: list[Listing] = []
        for sdk in px.settings.sdks_of(backend):
            any_listed = any(listing.supported for listing in listings)
            listings.append(_list(px, backend, sdk, flat=flat, any_listed=any_listed, as_json=as_json))
            _tell(listings[-1], backend, as_json=as_json)
            if not as_json:
                _draw(listings[-1], flat=flat, heading=any_listed)
    if as_json:
        write_json({"backend": backend, "sdks": [listing.as_data() for listing in listings]})
    return FAILED if any(listing.error is not None for listing in listings) else OK


def _list(px: Pipelex, backend_name: str, sdk: str, *, flat: bool, any_listed: bool, as_json: bool) -> Listing:
    """Run the lister of one sdk; whatever goes wrong with it is this sdk's matter alone."""
    from pipelex.cogt.exceptions import InferenceError, ModelListingUnsupportedError
    from pipelex.exceptions import PipelexError

    lister = px.hub.model_listers.get(sdk=sdk)
    if lister is None:
        return Listing(sdk, supported=False)
    backend = px.settings.resolve_backend(backend_name)
    try:
        rows = _call(lister, sdk=sdk, backend=backend, flat=flat, any_listed=any_listed, as_json=as_json)
        found = px.hub.model_listers.checked(rows, sdk=sdk)
    except ModelListingUnsupportedError:
        return Listing(sdk, supported=False)
    except PipelexError as exc:
        return Listing(sdk, error=exc)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # a third-party lister can raise anything
        from pipelex.plugins.raised import described

        named = InferenceError(f"Listing the models of sdk '{sdk}': {described(exc)}", provider=backend_name)
        return Listing(sdk, error=named)
    return Listing(sdk, models=found)


def _call(
    lister: ListModelsFn, *, sdk: str, backend: InferenceBackend, flat: bool, any_listed: bool, as_json: bool
) -> Sequence[ListedModel] | None:
    """Await a lister, for no longer than the backend's time-out.

    What it writes by itself is its output, but must not get between the braces of our JSON.
    """
    import asyncio

    from pipelex.cogt.exceptions import InferenceTimeoutError
    from pipelex.cogt.inference.sync_calls import run_coroutine

    async def listed() -> Sequence[ListedModel] | None:
        limit = asyncio.timeout(backend.policy.timeout_s)
        try:
            async with limit:
                return await lister(
                    sdk=sdk, backend_name=backend.name, backend=backend, flat=flat, any_listed=any_listed
                )
        except TimeoutError as exc:
            if not limit.expired():
                raise
            msg = f"The models of sdk '{sdk}' were not listed within {backend.policy.timeout_s:g} s. Set timeout_s in "
            raise InferenceTimeoutError(f"{msg}[backends.{backend.name}] for more", provider=backend.name) from exc

    if not as_json:
        release_stdout()
    try:
        return run_coroutine(listed)
    finally:
        reserve_stdout()


def _tell(listing: Listing, backend_name: str, *, as_json: bool) -> None:
    if not listing.supported:
        note(f"note: backend '{backend_name}': sdk '{listing.sdk}' is unsupported for listing")
    if listing.error is not None:
        write_error(listing.error, as_json=as_json)


def _draw(listing: Listing, *, flat: bool, heading: bool) -> None:
    if listing.models is None:
        return
    if flat:
        for model in listing.models:
            write_text(model.id)
        return
    if heading:
        write_text(f"\n{listing.sdk}")
    write_table(("ID", "CREATED", "OWNER", "CONTEXT"), [_cells(model) for model in listing.models])


def _cells(model: ListedModel) -> tuple[str, ...]:
    return (
        model.id,
        model.created.date().isoformat() if model.created is not None else "",
        model.owner or "",
        str(model.context_window) if model.context_window is not None else "",
    )


def _as_data(model: ListedModel) -> dict[str, object]:
    return {
        "id": model.id,
        "created": model.created.isoformat() if model.created is not None else None,
        "owner": model.owner,
        "context_window": model.context_window,
    }
