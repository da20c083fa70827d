from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from genai_prices import data_snapshot
from genai_prices.types import ModelPrice, TieredPrices

from pipelex.config.starter import packaged_settings
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.prices import cost_of, price_of
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.architecture.import_guard import reach_of
from tests.architecture.tree import SRC
from tests.reporting.records import record, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_prices.types import ModelInfo

    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.reporting.reporting_protocol import InferenceRecord

SETTINGS = packaged_settings()
PRICED_LLMS = [spec for spec in SETTINGS.models(InferenceFamily.LLM) if spec.price_provider is not None]


def _price_of(model: str, price_provider: str) -> ModelPrice:
    """Return what the library's data say of a model, its price of today."""
    _, found = data_snapshot.get_snapshot().find_provider_model(model, None, price_provider, None)
    return found.get_prices(datetime.now(UTC))


def _rate(price: Decimal | TieredPrices | None) -> Decimal:
    """Return the price of a million tokens in a short prompt."""
    assert price is not None
    return price.base if isinstance(price, TieredPrices) else price


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelInfo]:
    """A model whose prices a test may change: the data of the library, with a copy in its place."""
    snapshot = data_snapshot.get_snapshot()
    provider, model = snapshot.find_provider_model("gpt-4-0613", None, "openai", None)
    copy = replace(model)
    changed = replace(provider, models=[copy if other is model else other for other in provider.models])
    providers = [changed if other is provider else other for other in snapshot.providers]
    data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot(providers=providers, from_auto_update=False))
    yield copy
    data_snapshot.set_custom_snapshot(None)


def test_a_price_that_has_not_changed_for_years() -> None:
    """GPT-4 of June 2023: 30 dollars for a million tokens in, 60 for a million out."""
    assert pytest.approx(0.03 + 0.006) == cost_of(record("gpt-4-0613", tokens(1_000, 100)))


@pytest.mark.parametrize("spec", PRICED_LLMS, ids=[spec.name for spec in PRICED_LLMS])
def test_every_llm_of_the_catalogue_with_a_price_provider_costs_what_the_list_says(spec: InferenceModelSpec) -> None:
    assert spec.price_provider is not None
    price = _price_of(spec.model_id, spec.price_provider)
    fresh, cached, written = 600, 400, 200
    by_hand = (
        fresh * _rate(price.input_mtok)
        + cached * _rate(price.cache_read_mtok or price.input_mtok)
        + written * _rate(price.output_mtok)
    ) / 1_000_000
    made = record(spec.model_id, tokens(fresh + cached, written, cached=cached), price_provider=spec.price_provider)
    assert pytest.approx(float(by_hand)) == cost_of(made)
    assert by_hand > 0


def test_pages_cost_what_the_list_says() -> None:
    price = _price_of("mistral-ocr-latest", "mistral").input_document_kpages
    made = record("mistral-ocr-latest", InferenceUsage(pages=7), price_provider="mistral")
    assert pytest.approx(float(_rate(price)) * 7 / 1000) == cost_of(made)


def test_a_long_prompt_costs_the_price_of_its_tier() -> None:
    price = _price_of("gpt-5.6-sol", "openai").input_mtok
    assert isinstance(price, TieredPrices)
    tokens_read = price.tiers[0].start + 1
    expected = float(price.tiers[0].price) * tokens_read / 1_000_000
    assert pytest.approx(expected) == cost_of(record("gpt-5.6-sol", tokens(tokens_read, 0)))


@pytest.mark.parametrize(
    "unknown",
    [
        record("no-such-model", tokens(10, 10)),
        record("gpt-4-0613", tokens(10, 10), price_provider="no-such-list"),
        record("gpt-4-0613", tokens(10, 10), price_provider=None),
        record(None, tokens(10, 10), model="mine"),
        record("gpt-4-0613", None),
        record("gpt-4-0613", tokens(None, 10)),
        record("gpt-4-0613", tokens(10, None)),
        record("gpt-4-0613", tokens(0, 0)),
        record("gpt-4.1", tokens(10, 10, cached=20)),
        record("gpt-4-0613", InferenceUsage(images=1)),
        record("gpt-4-0613", InferenceUsage(pages=1, input_tokens=1, output_tokens=1)),
        record("mistral-ocr-latest", tokens(10, 10), price_provider="mistral"),
    ],
    ids=[
        "the model",
        "the list",
        "no list",
        "no id of the vendor's",
        "no usage",
        "no input",
        "no output",
        "nothing counted",
        "counts that cannot be",
        "an image has no price",
        "a page has no price",
        "a token has no price",
    ],
)
def test_what_is_unknown_is_none(unknown: InferenceRecord) -> None:
    assert cost_of(unknown) is None


def test_the_vendors_id_names_the_model_where_the_answer_does_not() -> None:
    usage = tokens(1_000, 100)
    assert cost_of(record(None, usage, model_id="gpt-4-0613")) == cost_of(
        record("gpt-4-0613", usage, model_id="gpt-4o")
    )


def test_images_whose_tokens_are_charged_apart_and_not_told_apart_have_an_unknown_cost() -> None:
    lumped = InferenceUsage(images=1, input_tokens=10, output_tokens=1000)
    assert cost_of(record("gemini-2.5-flash-image", lumped, price_provider="google")) is None
    assert cost_of(record("gpt-image-2.5-flare", lumped)) is None


def test_images_whose_tokens_are_told_apart_cost_what_the_list_says() -> None:
    price = _price_of("gpt-image-2.5-flare", "openai")
    usage = InferenceUsage(images=1, input_tokens=100, input_image_tokens=40, output_tokens=1000)
    by_hand = 60 * _rate(price.input_mtok) + 40 * _rate(price.input_image_mtok) + 1000 * _rate(price.output_mtok)
    assert pytest.approx(float(by_hand) / 1_000_000) == cost_of(record("gpt-image-2.5-flare", usage))
    price = _price_of("gemini-nano-banana-2.1", "google")
    usage = InferenceUsage(images=1, input_tokens=10, output_tokens=1000, output_image_tokens=900)
    by_hand = 10 * _rate(price.input_mtok) + 100 * _rate(price.output_mtok) + 900 * _rate(price.output_image_mtok)
    assert pytest.approx(float(by_hand) / 1_000_000) == cost_of(
        record("gemini-nano-banana-2.1", usage, price_provider="google")
    )


def test_a_cost_that_the_record_states_is_the_cost() -> None:
    assert 0.25 == cost_of(record("gpt-4-0613", tokens(1, 1), cost_usd=0.25))


def test_a_planted_price_is_the_one_that_is_used(planted: ModelInfo) -> None:
    planted.prices = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(2), cache_read_mtok=Decimal("0.5"))
    assert pytest.approx(0.4 + 0.6 * 0.5 + 2.0) == cost_of(record(usage=tokens(1_000_000, 1_000_000, cached=600_000)))


@pytest.mark.parametrize(
    "prices",
    [
        ModelPrice(),
        ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(0)),
        ModelPrice(input_mtok=Decimal(1)),
        ModelPrice(requests_kcount=Decimal(0)),
    ],
    ids=["no price", "zeros", "no price of the output", "another unit"],
)
def test_a_planted_zero_is_found(planted: ModelInfo, prices: ModelPrice) -> None:
    usage = tokens(1_000, 100)
    assert cost_of(record(usage=usage))
    planted.prices = prices
    assert cost_of(record(usage=usage)) is None


def test_every_price_provider_that_the_defaults_name_is_there() -> None:
    named = {spec.price_provider for spec in SETTINGS.models()} - {None}
    ids = {provider.id for provider in data_snapshot.get_snapshot().providers}
    assert named <= ids
    assert {"openai", "anthropic", "google", "mistral", "aws"} <= named


LOG = """
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceRecord, InferenceUsage
from pipelex.reporting.usage_log import UsageLog
log = UsageLog()
log.report_inference(InferenceRecord(operation="gen_text", family=InferenceFamily.LLM, backend_name="acme", sdk="acme",
    model="mine", model_id="gpt-4-0613", duration_s=1, price_provider="openai",
    usage=InferenceUsage(input_tokens=1, output_tokens=1)))
"""


def test_the_prices_load_with_the_report_and_not_with_a_call() -> None:
    assert [] == reach_of(LOG, src=SRC, blocked=()).of("genai_prices", "pipelex.reporting.prices")
    assert reach_of(f"{LOG}log.report()", src=SRC, blocked=()).of("genai_prices")


def test_a_model_that_no_list_has_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import genai_prices

    looked_for: list[str] = []

    def find(_usage: object, model: str, **_: object) -> None:
        looked_for.append(model)
        raise LookupError

    monkeypatch.setattr(genai_prices, "calc_price", find)
    usage = InferenceUsage(input_tokens=1, output_tokens=1)
    assert [None, None] == [price_of(usage, "in-no-list", "openai") for _ in range(2)]
    assert ["in-no-list"] == looked_for
