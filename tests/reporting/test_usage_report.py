from __future__ import annotations

import pytest

from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.reporting.records import record, tokens


def test_calls_are_added_up_per_model_and_overall() -> None:
    log = UsageLog()
    log.report_inference(record("gpt-4-0613", tokens(1_000, 100, cached=0), model="big"))
    log.report_inference(record("no-such-model", tokens(10, None), model="small"))
    log.report_inference(record("gpt-4-0613", tokens(1_000, 0), model="big"))
    log.report_inference(record(None, None, model="small", error="InferenceRequestError"))
    report = log.report()
    assert ["big", "small"] == list(report.models)
    big, small, overall = report.models["big"], report.models["small"], report.overall
    assert (2, 0, 0, 1.0) == (big.calls, big.errors, big.unpriced_calls, big.duration_s)
    assert tokens(2_000, 100, cached=0) == big.usage
    assert pytest.approx(0.066) == big.cost_usd
    assert (2, 1, 2, None) == (small.calls, small.errors, small.unpriced_calls, small.cost_usd)
    assert tokens(10, None) == small.usage
    assert (4, 1, 2, big.cost_usd) == (overall.calls, overall.errors, overall.unpriced_calls, overall.cost_usd)
    assert tokens(2_010, 100, cached=0) == overall.usage


def test_an_empty_log_knows_nothing() -> None:
    report = UsageLog().report()
    assert {} == report.models
    assert (0, 0, 0, None, InferenceUsage()) == (
        report.overall.calls,
        report.overall.errors,
        report.overall.unpriced_calls,
        report.overall.cost_usd,
        report.overall.usage,
    )


def test_the_records_stay_as_they_were_reported() -> None:
    log = UsageLog()
    log.report_inference(record("gpt-4-0613", tokens(1_000, 100)))
    assert log.report().overall.cost_usd
    assert log.records[0].cost_usd is None
