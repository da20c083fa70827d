from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pipelex.reporting.reporting_protocol import CallOutcome, InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.reporting.records import record, tokens

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceRecord


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


def test_the_totals_count_all_calls_and_the_records_are_the_last_ones() -> None:
    log = UsageLog(keep=3)
    for number in range(1_500):
        log.report_inference(record("gpt-4-0613", tokens(1, 1), model=f"m{number % 2}"))
    assert ["m1", "m0", "m1"] == [kept.model for kept in log.records]
    assert (1_500, tokens(1_500, 1_500)) == (log.report().overall.calls, log.report().overall.usage)
    assert pytest.approx(1_500 * 0.00009) == log.report().overall.cost_usd


def test_a_report_prices_no_call_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    priced: list[InferenceRecord] = []
    monkeypatch.setattr("pipelex.reporting.prices.cost_of", priced.append)
    log = UsageLog()
    for _ in range(2_500):
        log.report_inference(record("gpt-4-0613", tokens(1, 1)))
    assert 1_500 == len(priced)
    log.report()
    log.report()
    assert 2_500 == len(priced)


def test_threads_that_report_at_once_lose_no_call() -> None:
    log = UsageLog()

    def many(_: int) -> int:
        for _ in range(300):
            log.report_inference(record(None, tokens(1, 1)))
        return log.report().overall.calls

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(many, range(8)))
    assert 2_400 == log.report().overall.calls


def test_an_abandoned_call_is_no_error() -> None:
    log = UsageLog()
    log.report_inference(record(None, tokens(10, None), outcome=CallOutcome.ABANDONED))
    overall = log.report().overall
    assert (1, 0, 1, tokens(10, None)) == (overall.calls, overall.errors, overall.abandoned, overall.usage)


def test_the_records_stay_as_they_were_reported() -> None:
    log = UsageLog()
    log.report_inference(record("gpt-4-0613", tokens(1_000, 100)))
    assert log.report().overall.cost_usd
    assert log.records[0].cost_usd is None
