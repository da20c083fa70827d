from __future__ import annotations

import re
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


@pytest.mark.parametrize("name", ["cat.png", "new/cat.PNG"])
def test_one_image_goes_into_the_file_that_is_named(terminal: Terminal, name: str) -> None:
    assert (0, f"{name}\n", "") == terminal.run("img-gen", "a cat", "-o", name)
    assert b"PNG" == (terminal.project / name).read_bytes()
    outcome = terminal.run("img-gen", "a cat", "-o", name)
    assert (1, 1) == (outcome.code, len(terminal.plugin.jobs))
    assert f"{name}: it exists already" in outcome.err
    assert 0 == terminal.run("img-gen", "a cat", "-o", name, "--force").code


def test_a_file_that_holds_another_format_than_its_name_says_is_told(terminal: Terminal) -> None:
    outcome = terminal.run("img-gen", "a cat", "-o", "cat.jpeg")
    assert (0, "cat.jpeg\n") == (outcome.code, outcome.out)
    assert "note: cat.jpeg holds image/png, as the model made it\n" == outcome.err


def test_several_images_do_not_go_into_one_file(terminal: Terminal) -> None:
    outcome = terminal.run("img-gen", "a cat", "-n", "2", "-o", "cat.png")
    assert (2, []) == (outcome.code, terminal.plugin.jobs)
    assert "name a folder" in outcome.err


def test_a_folder_that_is_called_like_an_image_stays_a_folder(terminal: Terminal) -> None:
    (terminal.project / "cats.png").mkdir()
    assert (0, "cats.png/image-1.png\n", "") == terminal.run("img-gen", "a cat", "-o", "cats.png")


def test_usage_is_told_on_stderr(terminal: Terminal) -> None:
    assert re.fullmatch(r"usage: .*cost unknown\n", terminal.run("img-gen", "a cat", "-o", "o", "--usage").err)


@pytest.mark.parametrize("out", ["taken", "taken/cat.png", "taken/deep/er"])
def test_what_cannot_be_saved_is_refused_before_the_call(terminal: Terminal, out: str) -> None:
    terminal.write("taken", "a file")
    outcome = terminal.run("img-gen", "a cat", "-o", out, "--force")
    assert (1, []) == (outcome.code, terminal.plugin.jobs)
    assert f"error: {out}: {terminal.project / 'taken'} is no folder that can be written to" in outcome.err
