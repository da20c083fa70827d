"""The rules of the corpus: each can be red; its report says what is recorded."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.documents import __main__ as command
from tests.documents.__main__ import MARK, PAGE, read_losses, read_records
from tests.documents.archives import ArchiveError, documents, unpack
from tests.documents.judge import Measured, Record, judge, summary
from tests.documents.measure import DIED, MOST_BYTES, Found, Measurer, known_characters, limit_memory

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

GOOD = Measured("a.pdf", "m", Found(100, 2), other=102)
RECORDS = {"m a.pdf": Record(100, 2)}


def test_what_is_as_recorded_is_green() -> None:
    assert [] == list(judge([GOOD], RECORDS, {}, asked_other=True))


@pytest.mark.parametrize(
    ("found", "other", "problem"),
    [
        (Found(99, 2), 102, "99 characters on 2 pages, recorded are 100 on 2"),
        (Found(100, 1), 102, "100 characters on 1 pages, recorded are 100 on 2"),
        (Found(0, 0, "it is damaged"), None, "0 characters on 0 pages, recorded are 100 on 2 (it is damaged)"),
        (Found(error=f"{DIED}SIGSEGV"), None, "died: SIGSEGV"),
        (Found(100, 2), 200, "100 characters, and pdftotext finds 200"),
    ],
    ids=["fewer characters", "fewer pages", "a new error", "a crash", "less than pdftotext"],
)
def test_each_loss_is_red(found: Found, other: int | None, problem: str) -> None:
    assert [f"m a.pdf: {problem}"] == list(judge([Measured("a.pdf", "m", found, other)], RECORDS, {}, asked_other=True))


def test_a_known_loss_is_green_until_it_is_none() -> None:
    losses = {"m a.pdf": "a reason"}
    lost = Measured("a.pdf", "m", Found(100, 2), other=200)
    assert [] == list(judge([lost], RECORDS, losses, asked_other=True))
    expected = ["m a.pdf: no loss any more, take it off losses.toml"]
    assert expected == list(judge([GOOD], RECORDS, losses, asked_other=True))
    assert [] == list(judge([GOOD], RECORDS, losses, asked_other=False))


def test_counts_and_corpus_are_of_the_same_documents() -> None:
    expected = ["m a.pdf: not recorded (make test-corpus RECORD=1)", "m b.pdf: recorded, and not in the corpus"]
    assert expected == list(judge([GOOD], {"m b.pdf": Record(1, 1)}, {}, asked_other=True))


def serve_faults(pipe: Connection, _model: str) -> None:
    """Read documents as their names ask for."""
    limit_memory()
    pipe.send("ready")
    while True:
        path = pipe.recv()
        if path.name == "crash.pdf":
            os._exit(3)
        if path.name == "slow.pdf":
            time.sleep(60)
        if path.name == "large.pdf":
            bytearray(MOST_BYTES)
        pipe.send(Found(1, 1))


def test_a_document_that_kills_or_holds_up_the_process_is_red_and_the_next_one_is_read() -> None:
    measurer = Measurer("m", serve_faults, longest_s=2)
    try:
        found = [measurer.measure(Path(name)) for name in ("a.pdf", "crash.pdf", "b.pdf", "slow.pdf", "c.pdf")]
    finally:
        measurer.close()
    assert [1, 0, 1, 0, 1] == [item.characters for item in found]
    assert found[1].error.startswith(f"{DIED}the process ended")
    assert found[3].error == f"{DIED}it takes more than 2 s"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux limits the memory of a process")
def test_a_document_that_takes_too_much_memory_is_red() -> None:
    measurer = Measurer("m", serve_faults)
    try:
        assert measurer.measure(Path("large.pdf")).error.startswith(f"{DIED}the process ended")
    finally:
        measurer.close()


@pytest.mark.parametrize(("characters", "code"), [(-1, 1), (0, 0)])
def test_the_command_ends_with_1_where_something_is_wrong(
    characters: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = [
        Measured(key.partition(" ")[2], key.partition(" ")[0], Found(record.characters, record.pages))
        for key, record in read_records().items()
    ]
    first = next(item for item in measured if item.found.characters)
    found = replace(first.found, characters=first.found.characters + characters)
    measured[measured.index(first)] = first._replace(found=found)
    monkeypatch.setattr(command, "measured", lambda: measured)
    monkeypatch.setattr(sys, "argv", ["tests.documents"])
    assert code == command.main()
    assert (f"{first.key}: " in capsys.readouterr().out) == bool(code)


def test_of_an_archive_the_documents_alone_are_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name in ("a/setup.py", "a/x.pdf", "a/b/y.DOCX"):
            packed.addfile(tarfile.TarInfo(name), io.BytesIO())
    unpack(archive, tmp_path / "out")
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"a/x.pdf", "a/b/y.DOCX"} == names


def test_an_archive_that_is_another_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pypdf-7.1.1.tar.gz").write_bytes(b"another one")
    with pytest.raises(ArchiveError, match="has the SHA-256"):
        documents(tmp_path)


def test_characters_are_counted_that_are_known() -> None:
    assert 3 == known_characters(" a\ufffdb\n\tc ")


def test_the_report_is_that_of_the_recorded_counts() -> None:
    records, losses = read_records(), read_losses()
    assert PAGE.read_text(encoding="utf-8").partition(MARK)[2].strip() == summary(records, losses)
    assert set(losses) <= set(records)
