from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.fakes import HANGS, UNSUPPORTED

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal


def test_models_are_drawn_in_columns(terminal: Terminal) -> None:
    outcome = terminal.run("show", "models", "fake")
    expected = ["ID      CREATED     OWNER  CONTEXT", "talker  2026-01-02  us     10", "b       -           -      -"]
    assert (0, expected, "") == (outcome.code, outcome.out.splitlines(), outcome.err)


def test_flat_is_one_id_a_line(terminal: Terminal) -> None:
    assert (0, "talker\nb\n", "") == terminal.run("show", "models", "fake", "--flat")


def test_json_holds_the_rows(terminal: Terminal) -> None:
    data = terminal.run("show", "models", "fake", "--json").data
    [listing] = data["sdks"]
    assert ("fake", True, False, None) == tuple(listing[key] for key in ("sdk", "supported", "unstructured", "error"))
    first = {"id": "talker", "created": "2026-01-02T00:00:00+00:00", "owner": "us", "context_window": 10}
    assert first == listing["models"][0]


def test_an_sdk_without_a_lister_is_unsupported_and_no_failure(terminal: Terminal) -> None:
    outcome = terminal.run("show", "models", "mute")
    assert (0, "") == (outcome.code, outcome.out)
    assert "sdk 'mute' is unsupported for listing" in outcome.err


def test_a_client_that_cannot_list_is_the_same_soft_outcome(terminal: Terminal) -> None:
    terminal.plugin.listing = UNSUPPORTED
    outcome = terminal.run("show", "models", "fake", "--json")
    assert outcome.code == 0
    assert "unsupported for listing" in outcome.err
    [listing] = outcome.data["sdks"]
    assert (False, None) == (listing["supported"], listing["models"])


def test_a_lister_that_prints_keeps_its_output(terminal: Terminal) -> None:
    terminal.plugin.listing = "my own table"
    assert (0, "my own table\n", "") == terminal.run("show", "models", "fake")


def test_a_lister_that_prints_does_not_get_into_the_json(terminal: Terminal) -> None:
    terminal.plugin.listing = "my own table"
    outcome = terminal.run("show", "models", "fake", "--json")
    assert (0, "my own table\n") == (outcome.code, outcome.err)
    [listing] = outcome.data["sdks"]
    assert listing["unstructured"] is True


def test_whatever_a_lister_raises_is_an_error_with_a_name(terminal: Terminal) -> None:
    terminal.plugin.listing = OSError("refused")
    outcome = terminal.run("show", "models", "fake")
    assert (1, "") == (outcome.code, outcome.out)
    assert "error: [fake] Listing the models of sdk 'fake': OSError: refused" in outcome.err
    terminal.plugin.listing = OSError("refused")
    outcome = terminal.run("show", "models", "fake", "--json")
    assert (1, "InferenceError") == (outcome.code, json.loads(outcome.err)["error"])


def test_a_lister_that_exits_is_an_error_with_a_name(terminal: Terminal) -> None:
    terminal.plugin.listing = SystemExit(3)
    outcome = terminal.run("show", "models", "fake")
    assert (1, "") == (outcome.code, outcome.out)
    assert "error: [fake] Listing the models of sdk 'fake': SystemExit: 3" in outcome.err


def test_a_lister_that_hangs_is_given_up_after_the_backend_s_time_out(terminal: Terminal) -> None:
    terminal.configure("[backends.fake]\ntimeout_s = 0.05")
    terminal.plugin.listing = HANGS
    outcome = terminal.run("show", "models", "fake")
    assert (1, "") == (outcome.code, outcome.out)
    said = "The models of sdk 'fake' were not listed within 0.05 s. Set timeout_s in [backends.fake] for more"
    assert f"error: [fake] {said}" in outcome.err


def test_a_time_out_of_the_lister_s_own_stays_its_own(terminal: Terminal) -> None:
    terminal.plugin.listing = TimeoutError("too slow")
    assert "Listing the models of sdk 'fake': TimeoutError: too slow" in terminal.run("show", "models", "fake").err


def test_a_missing_key_of_another_backend_does_not_matter(terminal: Terminal) -> None:
    assert terminal.run("show", "models", "keyed").code == 2
    assert terminal.run("show", "models", "fake").code == 0


def test_an_unknown_backend_names_the_configured_ones(terminal: Terminal) -> None:
    outcome = terminal.run("show", "models", "fak")
    assert outcome.code == 2
    assert "Configured: fake" in outcome.err
