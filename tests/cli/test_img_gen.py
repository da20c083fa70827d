from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.img_gen.img_gen_job import ImgGenJob, ImgGenJobParams

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal


def test_images_go_into_the_folder_and_their_paths_to_stdout(terminal: Terminal) -> None:
    assert (0, "o/image-1.png\no/image-2.png\n", "") == terminal.run("img-gen", "a cat", "-n", "2", "--out", "o")
    assert (terminal.project / "o/image-2.png").read_bytes() == b"PNG"


def test_the_bytes_of_one_image_go_into_a_pipe(terminal: Terminal) -> None:
    assert (0, "PNG", "") == terminal.run("img-gen", stdin="a cat")


@pytest.mark.parametrize("arguments", [["-n", "2"], ["--json"]])
def test_several_images_need_a_folder(terminal: Terminal, arguments: list[str]) -> None:
    assert terminal.run("img-gen", "a cat", *arguments).code == 2


def test_every_option_reaches_the_job(terminal: Terminal) -> None:
    options = "--size 20x10 --aspect-ratio 2:1 --quality low --format webp --background opaque --seed 1 --negative dog"
    assert terminal.run("img-gen", "a cat", *options.split(), "--out", "o").code == 0
    [job] = terminal.plugin.jobs
    assert isinstance(job, ImgGenJob)
    assert job.prompt.negative_text == "dog"
    assert job.params == ImgGenJobParams(
        size=(20, 10), aspect_ratio="2:1", quality="low", output_format="webp", background="opaque", seed=1
    )


@pytest.mark.parametrize("size", ["20", "x", "0x10", "20x10x2"])
def test_a_wrong_size_is_misuse(terminal: Terminal, size: str) -> None:
    assert terminal.run("img-gen", "a cat", "--out", "o", "--size", size).code == 2


def test_a_taken_number_is_refused_before_the_call(terminal: Terminal) -> None:
    terminal.write("o/image-2.jpg", "old")
    outcome = terminal.run("img-gen", "a cat", "-n", "2", "--out", "o")
    assert (1, []) == (outcome.code, terminal.plugin.jobs)
    assert "image-2.jpg: it exists already" in outcome.err


def test_json_tells_the_files(terminal: Terminal) -> None:
    data = terminal.run("img-gen", "a cat", "--out", "o", "--json").data
    assert [{"file": "o/image-1.png", "mime_type": "image/png", "width": 2, "height": 1}] == data["images"]
    assert data["model"] == "fake/painter"
