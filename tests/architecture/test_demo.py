"""``make demo`` fails where what it shows is not there."""

from __future__ import annotations

import pytest

import demo.__main__ as demo_script


@pytest.mark.parametrize(
    ("code", "must_say", "exit_code"),
    [("print('hello')", "goodbye", 0), ("raise SystemExit(3)", "", 0), ("pass", "", 0), ("print('hello')", "hello", 1)],
    ids=["other words", "another exit code", "silence", "success where a failure is to be shown"],
)
def test_a_command_is_held_to_what_it_has_to_show(code: str, must_say: str, exit_code: int) -> None:
    with pytest.raises(demo_script.StepFailed):
        demo_script.show("python", "-c", code, must_say=must_say, exit_code=exit_code)


def test_a_command_that_says_it_passes(capsys: pytest.CaptureFixture[str]) -> None:
    demo_script.show("python", "-c", "print('hello')", must_say="hello")
    assert "\n$ python -c 'print('\"'\"'hello'\"'\"')'\nhello\n" == capsys.readouterr().out


def test_a_failing_step_ends_the_demo_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        """It is planted."""
        raise demo_script.StepFailed("planted")

    monkeypatch.setattr(demo_script, "STEPS", {"A planted step": fails})
    assert 1 == demo_script.main()
    assert "Step 1 failed: planted" in capsys.readouterr().err
