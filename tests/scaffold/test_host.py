from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.exceptions import HostReferenceError
from pipelex.scaffold.host import Host, host_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_wheel_is_referred_to_by_its_address(tmp_path: Path) -> None:
    wheel = tmp_path / "pipelex-0.1.0-py3-none-any.whl"
    wheel.touch()
    assert f"pipelex[check,testing] @ {wheel.as_uri()}" == host_of(str(wheel)).requirement


def test_a_clone_is_referred_to_by_its_address(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "pipelex"\n')
    host = host_of(str(tmp_path))
    assert f"'pipelex[check,testing] @ {tmp_path.as_uri()}' " == host.pip_arguments
    assert host.is_on_this_machine


@pytest.mark.parametrize("address", ["https://example.com/pipelex.whl", "git+https://example.com/pipelex@v1"])
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert Host(address) == host_of(address) == host_of(f"pipelex @ {address}")
    assert not host_of(address).is_on_this_machine


@pytest.mark.parametrize(
    "given", ["pipelex", "pipelex==0.1.0", "pipelex>=1", "no/such/folder", "other-1.0.whl", "other", ""]
)
def test_what_would_mean_the_public_index_is_refused(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other-1.0.whl").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    with pytest.raises(HostReferenceError, match="another project"):
        host_of(given)


def test_by_default_it_is_where_this_installation_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelex.scaffold.host.installed_origin", lambda: None)
    assert Host() == host_of(None)
    assert "" == host_of(None).pip_arguments
