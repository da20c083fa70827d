"""The four formats say the same, each in the words of who reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog

from pipelex.checking.check import CheckResult, check
from pipelex.checking.examples import helper, plugin
from pipelex.checking.report import rendered
from pipelex.checking.rules.catalogue import RULES
from tests.checking.written import write_example

if TYPE_CHECKING:
    from pathlib import Path

FOUND = helper("from pipelex.hub import get_hub  # 100%, a: b\n") | plugin(
    "from pipelex.plugins.registrar import",
    "from pipelex.plugins.contract import PLUGIN_API_VERSION as targets\nfrom pipelex.plugins.registrar import",
)


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckResult:
    write_example(tmp_path, FOUND)
    path = tmp_path / "src/my_pkg/plugin.py"
    path.write_text(
        path.read_text(encoding="utf-8").replace("targets_api = 1", "targets_api = targets"), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return check([".", "not-there"])


def test_the_text_shows_the_line_with_a_caret_and_how_to_mend_it(result: CheckResult) -> None:
    lines = rendered(result, "text").splitlines()
    start = lines.index("src/my_pkg/helper.py:1:1: error PX201 outside-spi")
    assert [
        "  'pipelex.hub' is not part of the plugin API",
        "    1 | from pipelex.hub import get_hub  # 100%, a: b",
        "      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ] == lines[start + 1 : start + 4]
    assert lines[start + 4].startswith("  expected: ")
    assert lines[start + 5].startswith("  fix:  ")
    assert ".: 1 error (1 note)" in lines
    assert lines[-1] == "1 error, 1 target could not be checked in 1 target, 5 modules, against plugin API 1"


def test_json_holds_the_findings_and_the_failures(result: CheckResult) -> None:
    data = json.loads(rendered(result, "json"))
    assert (2, 1) == (data["exit_code"], data["api_version"])
    (target,) = data["targets"]
    rules = {finding["rule"]: finding for finding in target["findings"]}
    assert {"PX201": "error", "PX405": "note"} == {rule: one["severity"] for rule, one in rules.items()}
    assert ("src/my_pkg/helper.py", 1, 1) == tuple(rules["PX201"][key] for key in ("file", "line", "column"))
    assert "docs/rules.md#px201" == rules["PX201"]["page"]
    assert ["not-there"] == [failure["target"] for failure in data["failures"]]


def test_github_gets_one_escaped_line_a_finding(result: CheckResult) -> None:
    lines = rendered(result, "github").splitlines()
    assert 3 == len(lines)
    assert lines[0].startswith("::error file=src/my_pkg/helper.py,line=1,col=1,title=PX201::")
    assert "%0Aexpected: " in lines[0]
    assert lines[1].startswith("::notice file=src/my_pkg/plugin.py,")
    assert lines[2].startswith("::error title=could not be checked::not-there")


def test_sarif_has_what_its_schema_requires(result: CheckResult) -> None:
    log: dict[str, Any] = json.loads(rendered(result, "sarif"))
    assert "2.1.0" == log["version"]
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    assert [rule.id for rule in RULES] == [rule["id"] for rule in driver["rules"]]
    for rule in driver["rules"]:
        assert rule["defaultConfiguration"]["level"] in {"error", "note"}
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
    for found in run["results"]:
        assert found["ruleId"] == driver["rules"][found["ruleIndex"]]["id"]
        assert found["level"] in {"error", "note"}
        assert found["message"]["text"]
        (location,) = found["locations"]
        physical = location["physicalLocation"]
        assert not physical["artifactLocation"]["uri"].startswith("/")
        assert 1 <= physical["region"]["startLine"]
        assert 1 <= physical["region"]["startColumn"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert ["not-there"] == [
        note["message"]["text"].partition(":")[0] for note in invocation["toolExecutionNotifications"]
    ]


def test_sarif_holds_against_the_official_schema(result: CheckResult) -> None:
    """The models are generated from the schema that OASIS publishes; what they do not know, they refuse."""
    text = rendered(result, "sarif")
    SarifLog.model_validate_json(text)
    log = json.loads(text)
    log["runs"][0]["results"][0]["unknown"] = 1
    del log["runs"][0]["tool"]
    with pytest.raises(ValidationError) as refused:
        SarifLog.model_validate(log)
    assert {("runs", 0, "tool"), ("runs", 0, "results", 0, "unknown")} == {one["loc"] for one in refused.value.errors()}


def test_a_note_alone_is_clean(tmp_path: Path) -> None:
    rule = next(rule for rule in RULES if rule.severity == "note")
    write_example(tmp_path, rule.positive)
    result = check([str(tmp_path)])
    assert (0, 1) == (result.exit_code, len(result.checked[0].findings))
    assert "clean (1 note)" in rendered(result, "text")
