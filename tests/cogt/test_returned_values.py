"""What a plugin's callables return is checked where it enters, and a wrong value names plugin, hook and both types."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import InferenceError, InferenceRateLimitError
from pipelex.cogt.extract.extract_job import ExtractedPage
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import AnswerUpdate, LLMAnswer, TextDelta
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.cogt.model_backends.model_spec import Capability, InferenceModelSpec
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.exceptions import MissingDependencyError, PipelexError
from pipelex.generated.accessors import make_llm_worker
from pipelex.plugins.exceptions import BrokenPluginError, InvalidContributionError
from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry, InferenceFamily
from pipelex.plugins.model_lister_registry import ModelListerRegistry
from pipelex.plugins.returned_values import Origin, check_exit_code
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.cogt.workers import ScriptedLLM, spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract

USAGE = InferenceUsage(input_tokens=3, output_tokens=5)


class Quip(LLMWorkerAbstract):
    """Returns from its hooks whatever it is given."""

    def __init__(self, value: Any) -> None:
        self.log = UsageLog()
        model = spec(InferenceFamily.LLM, Capability.STREAMING, Capability.STRUCTURED_OUTPUT)
        super().__init__(inference_model=model, reporting_delegate=self.log)
        self.value = value

    async def _gen_text(self, job: object) -> Any:
        return self.value


class QuipAnswer(Quip):
    """Likewise, an answer."""

    async def _generate(self, job: object) -> Any:
        return self.value


class QuipStream(Quip):
    """Likewise, an event."""

    async def _stream(self, job: object) -> Any:
        yield AnswerUpdate(usage=USAGE)
        yield TextDelta(text="so far")
        yield self.value


class Pages(ExtractWorkerAbstract):
    """Likewise, pages."""

    def __init__(self, value: Any) -> None:
        super().__init__(inference_model=spec(InferenceFamily.EXTRACT), reporting_delegate=UsageLog())
        self.value = value

    async def _extract_pages(self, job: object) -> Any:
        return self.value


class Images(ImgGenWorkerAbstract):
    """Likewise, images."""

    def __init__(self, value: Any) -> None:
        super().__init__(inference_model=spec(InferenceFamily.IMG_GEN), reporting_delegate=UsageLog())
        self.value = value

    async def _gen_image_list(self, job: object) -> Any:
        return self.value


class Search(SearchWorkerAbstract):
    """Likewise, an answer."""

    def __init__(self, value: Any) -> None:
        super().__init__(inference_model=spec(InferenceFamily.SEARCH), reporting_delegate=UsageLog())
        self.value = value

    async def _search(self, job: object) -> Any:
        return self.value


class Unprintable:
    """Raises where it is printed."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


def untyped(value: Any) -> Any:
    """Return a value as an SDK without types hands it out: no type checker sees what is wrong with it."""
    return value


def of(content: Any, **more: Any) -> InferenceResult[Any]:
    return InferenceResult(content=content, **more)


def a_list(stream: Any) -> Any:
    return list(stream)


GEN_TEXT: Callable[[Any], object] = lambda value: Quip(value).gen_text_sync("x")  # noqa: E731
GEN_OBJECT: Callable[[Any], object] = lambda value: QuipAnswer(value).gen_object_sync("x", int)  # noqa: E731
STREAM: Callable[[Any], object] = lambda value: a_list(QuipStream(value).stream_text_sync("x"))  # noqa: E731
EXTRACT: Callable[[Any], object] = lambda value: Pages(value).extract_pages_sync(b"%PDF")  # noqa: E731
STREAM_PAGES: Callable[[Any], object] = lambda value: a_list(Pages(value).stream_pages_sync(b"%PDF"))  # noqa: E731
IMAGE: Callable[[Any], object] = lambda value: Images(value).gen_image_sync("x")  # noqa: E731
SEARCH: Callable[[Any], object] = lambda value: Search(value).search_sync("x")  # noqa: E731

WRONG = {
    "a text in place of the record": (GEN_TEXT, "text", "_gen_text of Quip", "InferenceResult", "'text' (a str)"),
    "a value that cannot be printed": (
        GEN_TEXT,
        of(Unprintable()),
        "_gen_text",
        "str",
        "whose __repr__ raised ZeroDivis",
    ),
    "a null content": (GEN_TEXT, of(None), "_gen_text", "str", "None (a NoneType)"),
    "a list as the text": (GEN_TEXT, of(["a"]), "_gen_text", "str", "['a'] (a list)"),
    "a record that is none": (GEN_TEXT, None, "_gen_text", "InferenceResult", "None"),
    "a count that is text": (
        GEN_TEXT,
        of("a", usage=InferenceUsage(input_tokens=untyped("quip: hi"))),
        "field 'input_tokens' of InferenceUsage",
        "int or None",
        "'quip: hi'",
    ),
    "a usage that is a dict": (GEN_TEXT, of("a", usage={"input_tokens": 3}), "_gen_text", "InferenceUsage", "a dict"),
    "a finish reason that is text": (
        GEN_TEXT,
        of("a", finish_reason="stop"),
        "'finish_reason'",
        "FinishReason",
        "'stop'",
    ),
    "a model that is a number": (GEN_TEXT, of("a", model_served=5), "'model_served'", "str or None", "5"),
    "JSON that is parsed already": (GEN_OBJECT, LLMAnswer(text=untyped({"a": 1})), "_generate", "str", "a dict"),
    "pieces that are text": (
        STREAM,
        "piece",
        "_stream",
        "an LLMEvent (TextDelta, PartDone, AnswerDone, ...)",
        "'piece'",
    ),
    "a piece without text": (STREAM, TextDelta(text=untyped(None)), "field 'text' of TextDelta", "str", "None"),
    "a piece with a wrong count": (
        STREAM,
        AnswerUpdate(usage=InferenceUsage(output_tokens=untyped("7"))),
        "'output_tokens'",
        "int or None",
        "'7'",
    ),
    "a page that is text": (EXTRACT, of(("page",)), "_extract_pages", "ExtractedPage", "'page'"),
    "pages that are none": (EXTRACT, of(None), "_extract_pages", "a tuple of ExtractedPage", "None"),
    "a page without text": (
        EXTRACT,
        of((ExtractedPage(number=1, text=untyped(None)),)),
        "field 'text' of ExtractedPage",
        "str",
        "None",
    ),
    "a streamed page that is text": (STREAM_PAGES, of(("page",)), "_extract_pages", "ExtractedPage", "'page'"),
    "an image that is bytes": (IMAGE, of((b"png",)), "_gen_image_list", "GeneratedImage", "b'png'"),
    "an image without bytes": (
        IMAGE,
        of((GeneratedImage(data=untyped("aGk="), mime_type="image/png"),)),
        "field 'data' of GeneratedImage",
        "bytes",
        "'aGk='",
    ),
    "an answer that is text": (SEARCH, of("Paris"), "_search", "SearchAnswer", "'Paris'"),
    "a source that is a dict": (
        SEARCH,
        of(SearchAnswer(text="a", sources=untyped(({"url": "u"},)))),
        "_search",
        "SearchSource",
        "a dict",
    ),
    "a source without address": (
        SEARCH,
        of(SearchAnswer(text="a", sources=(SearchSource(url=untyped(None)),))),
        "field 'url' of SearchSource",
        "str",
        "None",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_value_names_the_plugin_the_hook_and_both_types(mistake: str) -> None:
    call, value, what, expected, got = WRONG[mistake]
    with pytest.raises(InvalidContributionError) as caught:
        call(value)
    error = caught.value
    assert "tests" == error.plugin_name  # no factory made the worker: its package stands for the plugin
    assert what in error.what
    assert expected == error.expected
    assert got in error.got
    assert all(part in str(error) for part in (what, expected, got))


def test_what_a_wrong_value_cost_and_brought_is_on_the_error_and_in_the_report() -> None:
    worker = Quip(of(None, usage=USAGE))
    with pytest.raises(InvalidContributionError) as caught:
        worker.gen_text_sync("x")
    assert caught.value.answer is not None
    assert USAGE == caught.value.answer.usage
    assert [(USAGE, "InvalidContributionError")] == [(record.usage, record.error) for record in worker.log.records]
    with pytest.raises(InvalidContributionError) as caught:
        list(QuipStream("piece").stream_text_sync("x"))
    assert caught.value.answer is not None
    assert ("so far", USAGE) == (caught.value.answer.text, caught.value.answer.usage)


def test_a_hook_that_is_no_coroutine_or_no_generator_is_named() -> None:
    class Plain(Quip):
        def _gen_text(self, job: object) -> Any:
            return of("text")

    class PlainStream(QuipStream):
        async def _stream(self, job: object) -> Any:  # type: ignore[override]  # the mistake
            return ["text"]

    with pytest.raises(InvalidContributionError, match=r"_gen_text of .*Plain.*an awaitable"):
        Plain(None).gen_text_sync("x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a coroutine that nobody awaited
        with pytest.raises(InvalidContributionError, match=r"_stream of .*PlainStream.*an async iterator"):
            list(PlainStream(None).stream_text_sync("x"))


@pytest.mark.parametrize("returned", [("rate limit", 429), "slow down", InferenceRateLimitError])
def test_a_classifier_that_returns_something_else_is_named(returned: object) -> None:
    worker = ScriptedLLM()
    worker.error, worker.named = RuntimeError("429"), untyped(returned)
    with pytest.raises(InvalidContributionError, match=r"_classify_error of ScriptedLLM.*InferenceError") as caught:
        worker.gen_text_sync("x")
    assert worker.error is caught.value.__cause__


def test_a_classifier_that_raises_is_named() -> None:
    class Raising(ScriptedLLM):
        def _classify_error(self, error: Exception) -> InferenceError | None:
            raise KeyError("code")

    worker = Raising()
    worker.error = RuntimeError("429")
    with pytest.raises(InvalidContributionError, match=r"_classify_error of .*Raising.*KeyError") as caught:
        worker.gen_text_sync("x")
    assert worker.error is caught.value.__cause__


class TestMakeWorker:
    """What is checked when a plugin builds a worker."""

    def made(self, make_worker: Callable[[InferenceModelSpec], Any]) -> InferenceWorkerAbstract:
        model = spec(InferenceFamily.LLM)

        def called(*, inference_model: InferenceModelSpec, **_: object) -> Any:
            return make_worker(inference_model)

        registry = InferenceBackendRegistry(
            {(InferenceFamily.LLM, "acme"): called}, plugin_names={(InferenceFamily.LLM, "acme"): "quip"}
        )
        return make_llm_worker(
            registry,
            sdk="acme",
            inference_model=model,
            backend=InferenceBackend(name="acme", api_key="sk-canary-0815"),
            sdk_clients=SdkClientRegistry(),
            reporting_delegate=None,
        )

    def test_a_constructor_that_forgets_its_base_is_named(self) -> None:
        class Forgetful(Quip):
            def __init__(self) -> None:
                self.value = of("text")

        with pytest.raises(InvalidContributionError, match=r"'quip': __init__ of .*super\(\).__init__") as caught:
            self.made(lambda _: Forgetful())
        assert "quip" == caught.value.plugin_name

    def test_the_errors_of_a_worker_name_the_plugin_that_made_it(self) -> None:
        worker = self.made(lambda _: Quip("text"))
        with pytest.raises(InvalidContributionError, match="Plugin 'quip': _gen_text of Quip"):
            untyped(worker).gen_text_sync("x")

    @pytest.mark.parametrize(
        "raised", [TypeError("no keyword 'inference_model'"), KeyError("x"), SystemExit(3), GeneratorExit()]
    )
    def test_what_it_raises_is_wrapped_and_names_the_plugin(self, raised: BaseException) -> None:
        def fail(_: object) -> object:
            raise raised

        with pytest.raises(BrokenPluginError, match=f"'quip'.*'make_worker'.*{type(raised).__name__}") as caught:
            self.made(fail)
        assert raised is caught.value.__cause__

    def test_our_own_errors_pass_as_they_are(self) -> None:
        error = MissingDependencyError("acme", "acme", "Needed.")

        def fail(_: object) -> object:
            raise error

        with pytest.raises(PipelexError) as caught:
            self.made(fail)
        assert error is caught.value


class TestListersAndCommands:
    """What a lister and a command return."""

    registry = ModelListerRegistry({}, plugin_names={"quip": "quip-plugin"})

    def test_rows_and_none_are_legal(self) -> None:
        rows = [ListedModel(id="a")]
        assert rows == self.registry.checked(rows, sdk="quip")
        assert self.registry.checked(None, sdk="quip") is None

    @pytest.mark.parametrize("rows", [[{"id": "a"}], ["a"], "a", {"a": 1}, 5, [ListedModel(id=untyped(None))]])
    def test_anything_else_names_the_plugin_and_the_lister(self, rows: object) -> None:
        with pytest.raises(InvalidContributionError, match="'quip-plugin': lister of sdk quip"):
            self.registry.checked(rows, sdk="quip")

    def test_an_exit_code_is_a_number(self) -> None:
        assert 3 == check_exit_code(Origin("quip", "command greet"), 3)

    @pytest.mark.parametrize("code", [None, "done"])
    def test_any_other_result_of_a_command_names_the_plugin_and_the_command(self, code: object) -> None:
        with pytest.raises(InvalidContributionError, match=r"'quip': command greet.*an exit code"):
            check_exit_code(Origin("quip", "command greet"), code)


def test_a_right_value_passes() -> None:
    worker = Quip(of("text", usage=USAGE, finish_reason=FinishReason.OTHER, finish_detail="eos", model_served="m"))
    assert "text" == worker.gen_text_sync("x")
    assert ["eos"] == [record.finish_detail for record in worker.log.records]
