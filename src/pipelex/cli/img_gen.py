"""``pipelex img-gen``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pipelex.cli.inputs import media_sources, text_or_stdin
from pipelex.cli.output import OK, note, write_bytes, write_json
from pipelex.cli.session import call_report, model_or_default, noting_usage, open_pipelex, usage_option
from pipelex.terminal import is_terminal, stdout, write_text

if TYPE_CHECKING:
    from pipelex.cogt.img_gen.img_gen_job import GeneratedImage


def _parse_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read a size such as ``1024x768``."""
    if value is None:
        return None
    width, _, height = value.lower().partition("x")
    if not all(part.isascii() and part.isdigit() and int(part) for part in (width, height)):
        msg = f"{value!r} is no size; write 1024x768"
        raise click.BadParameter(msg)
    return int(width), int(height)


@click.command("img-gen")
@click.argument("prompt", required=False)
@click.option("-m", "--model", help="A name of the catalogue, or backend/model-id. Default: as configured.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder for the images, or the file for one.")
@click.option("-n", "--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many images.")
@click.option("--size", callback=_parse_size, metavar="WxH", help="Width and height in pixels.")
@click.option("--aspect-ratio", metavar="W:H", help="Width to height, as 16:9.")
@click.option("--quality", help="The vendor's word for the effort.")
@click.option("--format", "output_format", type=click.Choice(["png", "jpeg", "webp"]), help="The file format.")
@click.option("--background", type=click.Choice(["transparent", "opaque"]), help="See-through or not.")
@click.option("--seed", type=int, help="The seed of the randomness.")
@click.option("--negative", metavar="TEXT", help="What the image does not show.")
@click.option("--image", "images", multiple=True, metavar="FILE", help="An image to start from. Repeatable.")
@click.option("--force", is_flag=True, help="Replace files of the same names.")
@usage_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON; needs --out.")
def img_gen(
    *,
    prompt: str | None,
    model: str | None,
    out: Path | None,
    count: int,
    size: tuple[int, int] | None,
    aspect_ratio: str | None,
    quality: str | None,
    output_format: Literal["png", "jpeg", "webp"] | None,
    background: Literal["transparent", "opaque"] | None,
    seed: int | None,
    negative: str | None,
    images: tuple[str, ...],
    force: bool,
    tells_usage: bool,
    as_json: bool,
) -> int:
    """Make images of a PROMPT, or of what standard input holds where it is "-" or left out.

    Images go into the folder --out as image-1.png and so on, or into --out itself where it ends like an image, and
    their paths to stdout. Without it, one image's bytes go to stdout, which must be a file or a pipe.
    """
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob, ImgGenJobParams, ImgGenPrompt
    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.reporting.usage_log import UsageLog

    if out is None and (as_json or count > 1 or stdout() is None or is_terminal(stdout())):
        msg = "Say with --out into which folder the images go."
        raise click.UsageError(msg)
    if out is not None and count > 1 and _is_image_file(out):
        msg = f"--out {out} is one file, and --count asks for {count} images: name a folder."
        raise click.UsageError(msg)
    job = ImgGenJob(
        prompt=ImgGenPrompt(
            text=text_or_stdin(prompt, "prompt"), negative_text=negative, images=media_sources(images, "--image")
        ),
        params=ImgGenJobParams(
            size=size,
            aspect_ratio=aspect_ratio,
            quality=quality,
            output_format=output_format,
            background=background,
            seed=seed,
        ),
        count=count,
    )
    if out is not None:
        _refuse_before_the_call(out, count, overwrite=force)
    log = UsageLog()
    with noting_usage(log, wanted=tells_usage), open_pipelex(log) as px:
        made = px.img_gen(model_or_default(px, model, InferenceFamily.IMG_GEN)).gen_image_list_sync(job)
    if out is None:
        write_bytes(made[0].data)
        return OK
    paths = _save(made, out, overwrite=force)
    if as_json:
        rows = [_as_data(image, path) for image, path in zip(made, paths, strict=True)]
        write_json({"images": rows, **call_report(log)})
    else:
        for path in paths:
            write_text(str(path))
    return OK


def _is_image_file(out: Path) -> bool:
    from pipelex.cli.written_files import is_image_name

    return is_image_name(out.name) and not out.is_dir()


def _refuse_before_the_call(out: Path, count: int, *, overwrite: bool) -> None:
    """Refuse what could not be saved after the call, which may cost money.

    Raises:
        OutputFileError: Nothing can be written there; or the file, or an image of one of the numbers, is there already,
            whatever its format.
    """
    from pipelex.exceptions import OutputFileError

    folder = (out.parent if _is_image_file(out) else out).absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise OutputFileError(file=str(out), reason=f"{nearest} is no folder that can be written to")
    if overwrite:
        return
    patterns = [f"image-{number}.*" for number in range(1, count + 1)]
    found = (path for pattern in patterns for path in out.glob(pattern))
    for taken in [out] if _is_image_file(out) else found:
        if taken.exists():
            raise OutputFileError(file=str(taken), reason="it exists already. Move it away, or pass --force")


def _save(images: list[GeneratedImage], out: Path, *, overwrite: bool) -> list[Path]:
    """Write all images or none."""
    from pipelex.cli.written_files import ending_of, staged_files

    names = [f"image-{number}{ending_of(image.mime_type)}" for number, image in enumerate(images, start=1)]
    folder = out
    if _is_image_file(out):
        folder, names = out.parent, [out.name]
        if out.suffix.lower().replace(".jpeg", ".jpg") != ending_of(images[0].mime_type):
            note(f"note: {out} holds {images[0].mime_type}, as the model made it")
    with staged_files(folder, overwrite=overwrite) as files:
        for name, image in zip(names, images, strict=True):
            files.add(name).write_bytes(image.data)
        return files.place()


def _as_data(image: GeneratedImage, path: Path) -> dict[str, object]:
    return {"file": str(path), "mime_type": image.mime_type, "width": image.width, "height": image.height}
