"""Listing folders finds what importlib.metadata finds, on whatever path; and costs one opening of a file each."""

from __future__ import annotations

import email.message  # noqa: F401 - found before the path is replaced
import os
import re
import sys
import tempfile
import zipfile
from collections import Counter
from importlib.metadata import EntryPoint as StandardEntryPoint
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelex.plugins import installed
from pipelex.plugins.installed import EntryPoint, InstalledPlugin, installed_plugins
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Repeatable, and no clock fails an example. Heavy: Hypothesis looks through all modules that other tests have loaded,
# which takes longer than the tests.
settings.load_profile("ci")

OURS = "[pipelex.plugins]\n"
HEAD = b"Metadata-Version: 2.1\nName: %b\nVersion: 1.0\n"

NAMES = st.sampled_from(["acme", "Acme", "acme_ai", "acme.ai", "Acme__AI", "b"])
VERSIONS = st.sampled_from(["-1.0", "-2.0", ""])
ENDINGS = st.sampled_from([".dist-info", ".egg-info", ".DIST-INFO", ".egg-link"])
FOLDERS = st.builds("{}{}{}".format, NAMES, VERSIONS, ENDINGS)
ENTRIES = st.sampled_from(
    [
        None,
        b"",
        b"[console_scripts]\nx = y:z\n",
        OURS.encode() + b"acme = acme_plugin:AcmePlugin\n",
        OURS.encode() + b"acme = acme_plugin:AcmePlugin [extra]\nother = m\n",
        OURS.encode().replace(b"\n", b"\r\n") + b"acme = m:x\r\n",
        OURS.encode().replace(b"\n", b"\r") + b"acme = m:x\r",
        OURS.encode() + b"bad = not an entry point\n",
        OURS.encode() + b"acme\n",
        b"# pipelex.plugins \xff\n",
    ]
)
METADATA = st.sampled_from(
    [
        None,
        HEAD % b"acme",
        HEAD % b"Acme.AI",
        (HEAD % b"acme").replace(b"\n", b"\r\n"),
        b"Name: acme\nVersion: 1.0\n",
        b"Metadata-Version: 2.1\nName: acme\n folded\nVersion: 1.0\n",
        b"Metadata-Version: 2.1\nName: acme\n\nVersion: 1.0\n",
        b"Metadata-Version: 2.1\nName: acm\xc3\xa9\nVersion: 1.0\n",
        b"Metadata-Version: 2.1\nName: acme\nVersion: \xff\n",
    ]
)
Distribution = tuple[str, bytes | None, bytes | None]
DISTRIBUTIONS = st.lists(st.tuples(FOLDERS, ENTRIES, METADATA), max_size=4)
PATHS = st.lists(DISTRIBUTIONS, max_size=3)


class NoFinder:
    """A finder of distributions that finds none: where there is one, importlib.metadata is asked."""

    @staticmethod
    def find_spec(*_args: object) -> None:
        return None

    @staticmethod
    def find_distributions(*_args: object) -> Iterator[object]:
        return iter(())


def found_on(path: Sequence[Path | str], *finders: type) -> list[InstalledPlugin]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(entry) for entry in path])
        patch.setattr(sys, "meta_path", [*sys.meta_path, *finders])
        return installed_plugins()


def lay_out(folder: Path, distributions: Sequence[Distribution]) -> Path:
    for name, entry_points, metadata in distributions:
        info = folder / name
        info.mkdir(parents=True, exist_ok=True)
        for file, data in (("entry_points.txt", entry_points), ("PKG-INFO" if "egg" in name else "METADATA", metadata)):
            if data is not None:
                (info / file).write_bytes(data)
    return folder


def is_listed() -> bool:
    return installed._listed() is not None


@pytest.mark.heavy
@given(PATHS, st.permutations(range(3)))
def test_listing_finds_what_importlib_metadata_finds(paths: list[list[Distribution]], order: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        laid_out = [lay_out(Path(folder, str(number)), what) for number, what in enumerate(paths)]
        path = [laid_out[index] for index in order if index < len(laid_out)]
        path += [Path(folder, "absent.zip"), *path[:1]]
        assert found_on(path, NoFinder) == found_on(path)


@pytest.mark.heavy
@given(st.text(alphabet="ab_.: []é\n", max_size=12))
def test_an_entry_point_is_read_as_importlib_metadata_reads_it(value: str) -> None:
    value = value.strip()
    standard = StandardEntryPoint.pattern.match(value)
    ours = EntryPoint.parse(value)
    assert (standard and (standard["module"], standard["attr"] or "")) == (ours and tuple(ours))


@pytest.mark.heavy
@given(
    st.lists(
        st.sampled_from(["[pipelex.plugins]", " [pipelex.plugins] ", "[other]", "a = m:x", " b=m", "# c = m:y", ""])
    )
)
def test_a_file_is_read_as_importlib_metadata_reads_it(lines: list[str]) -> None:
    text = "\n".join(["[first]", *lines])
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), [("acme-1.0.dist-info", text.encode(), HEAD % b"acme")])
        [found] = distributions(path=[folder])
        standard = {entry.name: entry.value for entry in found.entry_points.select(group="pipelex.plugins")}
        ours = {plugin.name: plugin.entry_point and plugin.entry_point.value for plugin in found_on([folder])}
        assert standard == ours


@pytest.mark.heavy
@given(st.text(alphabet="aB-_.", max_size=6))
def test_a_name_is_spelt_as_pep_503_says(name: str) -> None:
    assert re.sub(r"[-_.]+", "-", name).lower() == canonical(name)


def test_an_entry_point_loads_what_importlib_metadata_loads() -> None:
    for value in ("os", "os.path:join", "os : path.join", "collections:OrderedDict.fromkeys [extra]"):
        ours = EntryPoint.parse(value)
        assert ours is not None
        assert StandardEntryPoint("acme", value, "pipelex.plugins").load() == ours.load()


def test_a_file_that_may_not_be_read_is_seen_alike(tmp_path: Path) -> None:
    for name in ("entry_points.txt", "acme-1.0.dist-info"):
        lay_out(tmp_path / name, [("acme-1.0.dist-info", OURS.encode() + b"acme = a:b\n", HEAD % b"acme")])
        next((tmp_path / name).rglob(name)).chmod(0)
        assert found_on([tmp_path / name], NoFinder) == found_on([tmp_path / name])


def test_a_folder_in_place_of_the_file_announces_nothing(tmp_path: Path) -> None:
    (tmp_path / "acme-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)
    assert [] == found_on([tmp_path], NoFinder) == found_on([tmp_path])


def test_where_no_file_is_opened_from_its_folder_the_same_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path, [("acme-1.0.dist-info", OURS.encode() + b"acme = a:b\n", HEAD % b"acme")])
    expected = found_on([tmp_path])
    monkeypatch.setattr(installed, "_CAN_OPEN_BELOW", False)
    assert expected == found_on([tmp_path])


def zipped(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
        archive.writestr("acme-1.0.dist-info/METADATA", HEAD % b"acme")
        archive.writestr("acme-1.0.dist-info/entry_points.txt", OURS + "acme = a:b\n")
    return tmp_path / "site.zip"


def egg(tmp_path: Path) -> Path:
    lay_out(tmp_path / "acme-1.0.egg", [("EGG-INFO", OURS.encode() + b"acme = a:b\n", None)])
    (tmp_path / "acme-1.0.egg" / "EGG-INFO" / "PKG-INFO").write_bytes(HEAD % b"acme")
    return tmp_path / "acme-1.0.egg"


@pytest.mark.parametrize("make", [zipped, egg])
def test_what_is_no_plain_folder_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    assert ["acme"] == [plugin.name for plugin in found_on([path])]
    monkeypatch.setattr(sys, "path", [str(path)])
    assert not is_listed()


def test_another_finder_of_distributions_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_listed()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, NoFinder])
    assert not is_listed()


def test_the_current_folder_is_on_the_path_as_an_empty_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lay_out(tmp_path, [("acme-1.0.dist-info", OURS.encode() + b"acme = a:b\n", HEAD % b"acme")]))
    assert ["acme"] == [plugin.name for plugin in found_on([""])]
    assert found_on([""], NoFinder) == found_on([""])


def system_calls(tmp_path: Path, count: int) -> Counter[str]:
    """Count what discovery asks of the system where ``count`` distributions are installed, one of them a plugin."""
    others = [(f"d{number}-1.0.dist-info", b"[console_scripts]\nx = y:z\n", None) for number in range(count - 1)]
    ours = ("acme-1.0.dist-info", OURS.encode() + b"acme = a:b\n", HEAD % b"acme")
    lay_out(tmp_path, [*others, ours])
    counted: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., object]:
        call: Callable[..., object] = getattr(os, name)

        def counted_call(*args: object, **kwargs: object) -> object:
            counted[name] += 1
            return call(*args, **kwargs)

        return counted_call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("listdir", "access", "open", "stat", "scandir"):
            patch.setattr(os, name, counting(name))
        assert ["acme"] == [plugin.name for plugin in found_on([tmp_path])]
    return counted


def is_within_budget(calls: Counter[str], count: int) -> bool:
    return calls <= Counter(listdir=1, access=count + 1, open=count + 2)


def test_discovery_opens_one_file_a_distribution_and_one_more_a_plugin(tmp_path: Path) -> None:
    assert is_within_budget(system_calls(tmp_path, 100), 100)


def test_a_second_look_at_each_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = installed._read
    monkeypatch.setattr(installed, "_read", lambda *file: (read(*file), read(*file))[1])
    assert not is_within_budget(system_calls(tmp_path, 100), 100)
