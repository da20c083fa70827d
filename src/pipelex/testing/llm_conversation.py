"""The checks of conversations and tools, which run where the model declares ``tools`` and ``history``."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import pytest

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceRequestError,
    InferenceTruncatedError,
    UnsupportedCapabilityError,
)
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.conversation_json import conversation_from_json, conversation_to_json
from pipelex.cogt.llm.history import portable_id
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    Citation,
    ImagePart,
    LLMAnswer,
    LLMJob,
    LLMJobParams,
    LLMPrompt,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
)
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.checks import check, fail, require
from pipelex.testing.conformance import Conformance, new_token
from pipelex.testing.conversation import AnswerOrder, ConversationVendor
from pipelex.testing.llm_jobs import LOOK, WAIT, StructuredAnswer, png
from pipelex.testing.messy_calls import MESSES, made_messy
from pipelex.testing.odd_answers import strings_in
from pipelex.testing.vendor import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent
    from pipelex.testing.loopback import HttpReply
    from pipelex.testing.stage import Stage

# Letters and digits alone: vendors want base64, and some SDKs write it with other characters.
_SIGNATURES = ("S2l0U2lnbmF0dXJlT2ZUaG91Z2h0", "S2l0U2lnbmF0dXJlT2ZUaGVUZXh0", "S2l0U2lnbmF0dXJlT2ZUaGVDYWxs")
_THOUGHT = "I had better look at the thermometer first."
_ROME = ToolCallPart(id="call_conformance_1", name="look", arguments='{"place": "KITROME"}')
_OSLO = ToolCallPart(id="call_conformance_2", name="look", arguments='{"place": "KITOSLO"}')
_USAGE = InferenceUsage(input_tokens=11, output_tokens=7)
_CITED = "🚂 Señor: it is warm in Rome today."
_CITATION = Citation(url="https://conformance.example/rome", title="Rome", start=9, end=22)


class Script:
    """Orders of one conversation: an answer for each request, and the last one over and over.

    Args:
        answers: The answers.
    """

    def __init__(self, *answers: LLMAnswer) -> None:
        self._answers = list(answers)

    def __call__(self, token: str) -> InferenceResult[str]:  # noqa: ARG002 - the order of the calls counts
        """Return the order for the next request."""
        return AnswerOrder.of(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])


def _said(*parts: AssistantPart, reason: FinishReason = FinishReason.STOP, usage: InferenceUsage = _USAGE) -> LLMAnswer:
    if reason is FinishReason.STOP and any(isinstance(part, ToolCallPart) for part in parts):
        reason = FinishReason.TOOL_CALLS
    return LLMAnswer(parts=parts, usage=usage, finish_reason=reason)


_DONE = _said(TextPart(text="It is done."))


class ConversationConformance(Conformance[LLMWorkerAbstract, str]):
    """The checks of conversations and tools. Their orders are ``LLMAnswer``, and their vendor a ConversationVendor."""

    @check(since="1.0")
    def test_what_is_opaque_comes_back(self, is_streamed: bool) -> None:
        """What the vendor signed comes back at the next turn: unchanged, once, in its place before the call."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            job = self._asking()
            answer, sent = await self._answer_and_reply(worker, vendor, job, is_streamed=is_streamed)
            signatures = [signature for signature in _SIGNATURES if signature in sent]
            if not signatures:
                pytest.skip("its vendor's answers hold nothing opaque")
            await worker.gen_answer(job.then(answer, *_results(answer)))
            body = _body(vendor)
            for signature in signatures:
                count = body.count(signature)
                require(count == 1, f"A signature of the first answer is {count} times in the next request, not once.")
            sent_data = _json(vendor)
            places = [_place_of(signature, sent_data) for signature in (*signatures[:2], "KITROME", "KITRESULT0")]
            in_order = all(_is_before(one, other) for one, other in pairwise(places))
            require(in_order, "The signatures are not in the order of their parts, before the call that they lead to.")

        self._converse(scene, _signed(), _DONE, is_streamed=is_streamed)

    @check(since="1.0")
    def test_nothing_opaque_goes_to_another_backend(self) -> None:
        """Another backend's answers go back without signatures and thoughts, with ids that every vendor takes."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            job = self._asking()
            answer = await worker.gen_answer(job)
            foreign = job.then(replace(answer.message, backend_name="elsewhere"), *_results(answer))
            await worker.gen_answer(foreign)
            body = _body(vendor)
            shown = [text for text in (*_SIGNATURES, _THOUGHT) if text in body]
            require(not shown, f"Signatures or thoughts of another backend are sent: {', '.join(shown)}.")
            [call] = answer.tool_calls
            ids = body.count(portable_id(call.id))
            require(
                call.id not in body and ids != 1,
                f"The id of another backend's call, {call.id!r}, is sent as it is, or not with call and result alike.",
            )
            await worker.gen_answer(foreign)
            require(_body(vendor) == body, "The same conversation is sent with other ids the second time.")

        self._converse(scene, _signed(), _DONE)

    @check(since="1.0")
    def test_a_broken_thought_is_not_sent_back(self) -> None:
        """After a stream that broke in the middle of a thought, the conversation goes on without that thought."""
        self._skip_undeclared(Capability.STREAMING)
        self._skip_without(Fault.TRUNCATED)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            job = self._asking()
            vendor.fail_with(Fault.TRUNCATED)
            try:
                async with worker.stream_answer(job) as stream:
                    await stream.answer()
            except InferenceError as exc:
                broken = exc.answer
            else:
                fail("The connection broke in the middle of a thought, and the stream ended as if it were whole.")
            vendor.fail_with(None)
            await worker.gen_answer(job.then(*[broken] if broken is not None else [], "Go on."))
            unsigned = _THOUGHT[:10] in _body(vendor) and not any(one in _body(vendor) for one in _SIGNATURES)
            require(not unsigned, "A thought that broke off before its signature is sent back: no vendor accepts it.")

        thought = ReasoningPart(text=_THOUGHT * 4, opaque=_SIGNATURES[0])
        self._converse(scene, _said(thought, TextPart(text="ok")), is_streamed=True)

    @check(since="1.0")
    def test_a_cut_call_is_not_run(self) -> None:
        """A call that the token limit cut off is not run; one with half of its arguments is an error for the model."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            worker, look = self._make(stage), _Look()
            answer = await worker.gen_answer(self._asking())
            require(not answer.tool_calls, f"The answer was cut off, and has the calls {answer.tool_calls}.")
            try:
                await worker.run_tools(self._text_job(), [look.look])
            except InferenceTruncatedError:
                pass
            else:
                fail("The answer of a run was cut off inside of a call, and the run went on.")
            require(not look.seen, "A tool was run by a call that was cut off.")

        for arguments in ('{"place": "KITR', '{"place": "KITROME"}'):
            cut = _said(replace(_ROME, arguments=arguments), reason=FinishReason.LENGTH)
            self._converse(scene, cut)

        async def half_scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            look = _Look()
            await self._make(stage).run_tools(self._text_job(), [look.look])
            require(not look.seen, "A tool was run with arguments that are half of a JSON text.")

        self._converse(half_scene, _said(replace(_ROME, arguments='{"place": "KITR')), _DONE)

    @check(since="1.0")
    def test_messy_calls_are_understood(self, is_streamed: bool) -> None:
        """Tool calls without ids, with empty or equal ones, without an index or all at 0 are the same calls."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            for mess in ("", *MESSES):
                if self._reason_for(mess) is not None:
                    continue

                def change(reply: HttpReply, mess: str = mess) -> HttpReply:
                    return (made_messy(vendor, reply, (_ROME, _OSLO), mess) if mess else None) or reply

                vendor.change_with(change)
                try:
                    answer = await self._whole(worker, self._asking(), is_streamed=is_streamed)
                except InferenceError as exc:
                    fail(f"With {mess or 'two calls'}, the call raised {type(exc).__name__} ({exc}).")
                got = [(call.name, json.loads(call.arguments)) for call in answer.tool_calls]
                wanted = [(call.name, json.loads(call.arguments)) for call in (_ROME, _OSLO)]
                require(got == wanted, f"With {mess or 'two calls'}, the calls are {got}, not {wanted}.")
                ids = {call.id for call in answer.tool_calls}
                require(len(ids) == 2 and all(ids), f"With {mess or 'two calls'}, the ids of the calls are {ids}.")

        self._converse(scene, _said(_ROME, _OSLO), is_streamed=is_streamed)

    @check(since="1.0")
    def test_results_go_back_in_the_order_of_the_calls(self) -> None:
        """Results of parallel calls are sent once each, in the order of the calls, before the next text of the user."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            job = self._asking()
            answer = await worker.gen_answer(job)
            results = _results(answer)
            await worker.gen_answer(job.then(answer, *reversed(results), "KITNEXT"))
            places = [_body(vendor).find(marker) for marker in ("KITRESULT0", "KITRESULT1", "KITNEXT")]
            require(
                -1 not in places and places == sorted(places),
                "The results of two calls are not sent in the order of the calls, before the user's next text.",
            )
            known = len(vendor.requests)
            try:
                await worker.gen_answer(job.then(answer, *results, ToolResultPart(call_id="kit", content="KITTHIRD")))
            except InferenceRequestError:
                require(len(vendor.requests) == known, "A result without a call was refused, and sent all the same.")
            else:
                fail("A result that answers no call was sent.")

        self._converse(scene, _said(_ROME, _OSLO), _DONE)

    @check(since="1.0")
    def test_a_call_without_arguments_is_run(self) -> None:
        """A call whose arguments are an empty text runs its tool without arguments, and the conversation goes on."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            waited: list[int] = []

            def wait() -> str:
                waited.append(1)
                return "KITWAITED"

            run = await self._make(stage).run_tools(self._text_job(), [wait])
            require(len(waited) == 1, f"A tool without parameters was run {len(waited)} times, not once.")
            require("KITWAITED" in _body(self._vendor_of(stage)), "The result of the tool was not sent.")
            require(run.output, "The run returned no text.")

        self._converse(scene, _said(replace(_ROME, name="wait", arguments="")), _DONE)

    @check(since="1.0")
    def test_an_image_from_a_tool_arrives(self) -> None:
        """An image that a tool returns is sent as an image after its call, never left out and never within a text."""
        self._skip_undeclared(Capability.IMAGES)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            job, image = self._asking(), png("kit-picture")
            answer = await worker.gen_answer(job)
            [call] = answer.tool_calls
            content = (TextPart(text="KITBESIDE"), ImagePart(source=image))
            await worker.gen_answer(job.then(answer, ToolResultPart(call_id=call.id, content=content)))
            data = b64encode(image.read()).decode()
            to_standard = str.maketrans("-_", "+/")  # some SDKs write base64 for addresses
            holders = [one for text in strings_in(_json(vendor)) if data in (one := text.translate(to_standard))]
            require(
                len(holders) == 1, f"The image of a tool's result is {len(holders)} times in the request, not once."
            )
            is_alone = holders[0] == data or holders[0].startswith("data:")
            require(is_alone, "The image of a tool's result is sent within a text.")
            require("KITBESIDE" in _body(vendor), "The text beside an image of a tool's result is not sent.")
            places = [_place_of(text, _json(vendor)) for text in ("KITROME", "KITBESIDE")]
            require(_is_before(*places), "The result of a call is sent before the call.")

        self._converse(scene, _said(_ROME), _DONE)

    @check(since="1.0")
    def test_tools_and_a_schema_work_together(self) -> None:
        """With tools and a type for the answer, both are sent together, the tool is run, and the answer is typed."""
        self._skip_undeclared(Capability.STRUCTURED_OUTPUT)
        has_both = Capability.STRUCTURED_OUTPUT_WITH_TOOLS in self.capabilities

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            look = _Look()
            run = await self._make(stage).run_tools(self._text_job(), [look.look], schema=StructuredAnswer)
            require(look.seen == ["KITROME"], f"The tool saw {look.seen}, not one call for KITROME.")
            require(run.output == StructuredAnswer(word="warm", number=31), f"The run returned {run.output!r}.")
            for number, request in enumerate(self._vendor_of(stage).requests):
                text = request.decode("utf-8", "replace")
                sought = {"the tool": str(_Look.look.__doc__), "the schema": '"number"'}
                missing = [name for name, marker in sought.items() if marker not in text]
                require(not missing, f"Request {number} of the run is sent without {' and '.join(missing)}.")

        typed = json.dumps({"word": "warm", "number": 31})
        given = ToolCallPart(id="call_conformance_9", name="final_answer", arguments=typed)
        self._converse(scene, _said(_ROME), _said(TextPart(text=typed)) if has_both else _said(given))

    @check(since="1.0")
    def test_each_tool_choice_is_kept(self) -> None:
        """Each choice of a tool is sent as another request, or refused: none is sent as if it were not made."""
        self._skip_undeclared(Capability.TOOL_CHOICE)
        if self._is_real():
            self._play(self._force_a_call)
            return
        choices = {
            "auto": ToolChoice(),
            "none": ToolChoice(mode=ToolChoiceMode.NONE),
            "required": ToolChoice(mode=ToolChoiceMode.REQUIRED),
            "named": ToolChoice(mode=ToolChoiceMode.REQUIRED, name="wait"),
        }

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            text, bodies = self.prompt(new_token()), dict[str, str]()
            for name, choice in choices.items():
                params = LLMJobParams(tools=(LOOK, WAIT), tool_choice=choice)
                known = len(vendor.requests)
                try:
                    await worker.gen_answer(LLMJob(prompt=LLMPrompt(user_text=text), params=params))
                except (InferenceRequestError, UnsupportedCapabilityError):
                    require(len(vendor.requests) == known, f"The choice '{name}' was refused, and sent all the same.")
                else:
                    bodies[name] = _body(vendor)
            for name, body in bodies.items():
                alike = [other for other, that in bodies.items() if that == body and other != name]
                require(not alike, f"The choice '{name}' of a tool sends the same request as '{''.join(alike[:1])}'.")

        self._converse(scene, _DONE)

    async def _force_a_call(self, stage: Stage[LLMWorkerAbstract, str]) -> None:
        """See whether an engine in this process keeps ``required``: some take it and ignore it."""
        params = LLMJobParams(tools=(LOOK,), tool_choice=ToolChoice(mode=ToolChoiceMode.REQUIRED))
        job = self._steady(LLMJob(prompt=self._text_job().prompt, params=params), self.capabilities)
        answer = await self._make(stage).gen_answer(job)
        require(answer.tool_calls, f"A tool call was required, and the model answered {answer.text!r}.")

    @check(since="1.0")
    def test_a_conversation_with_calls_needs_no_tools(self) -> None:
        """A conversation that holds calls goes on in a job without tools."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            job = self._asking()
            answer = await worker.gen_answer(job)
            without = replace(job.then(answer, *_results(answer)), params=LLMJobParams())
            last = await worker.gen_answer(without)
            require(last.text == _DONE.text, f"The model answered {last.text!r}.")
            missing = [marker for marker in ("KITROME", "KITRESULT0") if marker not in _body(vendor)]
            require(not missing, f"Without tools, the conversation is sent without {' and '.join(missing)}.")

        self._converse(scene, _said(_ROME), _DONE)

    @check(since="1.0")
    def test_each_count_of_the_usage_is_kept(self, is_streamed: bool) -> None:
        """Tokens read from a cache, written to one and thought with are counted in their fields, streamed or not."""
        usage = InferenceUsage(
            input_tokens=100, output_tokens=40, cached_input_tokens=30, cache_write_tokens=20, reasoning_tokens=10
        )

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            answer, sent = await self._answer_and_reply(worker, vendor, self._text_job(), is_streamed=is_streamed)
            for name, count in vars(usage).items():
                got = getattr(answer.usage, name, None)
                is_given = name in {"input_tokens", "output_tokens"} or str(count) in sent
                if count is not None and is_given and (got is not None or name in self.usage_fields):
                    require(got == count, f"The usage of the answer has {name}={got}, the vendor sent {count}.")

        self._converse(scene, _said(TextPart(text="It is warm."), usage=usage), is_streamed=is_streamed)

    @check(since="1.0")
    def test_a_streamed_answer_is_the_same_answer(self) -> None:
        """A streamed answer has the parts, reason and usage of one at once; its pieces add up; AnswerDone is last."""
        self._skip_undeclared(Capability.STREAMING)

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            worker, job = self._make(stage), self._asking()
            at_once = await worker.gen_answer(job)
            events: list[LLMEvent] = []
            async with worker.stream_answer(job) as stream:
                events += [event async for event in stream]
                streamed = await stream.answer()
            ends = [number for number, event in enumerate(events) if isinstance(event, AnswerDone)]
            require(ends == [len(events) - 1], f"AnswerDone is at {ends} of {len(events)} events, not once at the end.")
            pieces = "".join(event.text for event in events if isinstance(event, TextDelta))
            require(pieces == streamed.text, f"The pieces add up to {pieces!r}, not to {streamed.text!r}.")
            for name in ("finish_reason", "usage"):
                got, wanted = getattr(streamed, name), getattr(at_once, name)
                require(got == wanted, f"Streamed, the answer has {name}={got}; at once {wanted}.")
            got_parts, parts = _without_ids(streamed), _without_ids(at_once)
            require(got_parts == parts, f"Streamed, the answer has the parts {got_parts}; at once {parts}.")

        self._converse(scene, _signed())

    @check(since="1.0")
    def test_citations_point_at_the_words(self, is_streamed: bool) -> None:
        """The places of citations count characters: ``text[start:end]`` is what is cited, after an emoji, too."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            answer, sent = await self._answer_and_reply(worker, vendor, self._text_job(), is_streamed=is_streamed)
            if str(_CITATION.url) not in sent:
                pytest.skip("its vendor's answers hold no citations")
            found = [
                (part.text, cited) for part in answer.parts if isinstance(part, TextPart) for cited in part.citations
            ]
            require(found, f"The vendor cites {_CITATION.url}, and the answer has no citation.")
            [(text, cited)] = found
            require(cited.url == _CITATION.url, f"The citation has url={cited.url!r}, not {_CITATION.url!r}.")
            words = _CITED[_CITATION.start : _CITATION.end]
            got = text[cited.start : cited.end]
            require(got in {words, text} and words in text, f"The citation points at {got!r}, not at {words!r}.")

        self._converse(scene, _said(TextPart(text=_CITED, citations=(_CITATION,))), is_streamed=is_streamed)

    @check(since="1.0")
    def test_a_conversation_is_kept_as_json(self) -> None:
        """A conversation that went to JSON and back is sent by another worker as the first one would send it."""

        async def scene(stage: Stage[LLMWorkerAbstract, str]) -> None:
            vendor, worker = self._vendor_of(stage), self._make(stage)
            job = self._asking()
            answer = await worker.gen_answer(job)
            job = job.then(answer, *_results(answer))
            await worker.gen_answer(job)
            before = _body(vendor)
            kept = conversation_from_json(conversation_to_json(job.prompt.messages()))
            require(kept == job.prompt.messages(), "The conversation is another one after it went to JSON and back.")
            read = replace(job, prompt=replace(job.prompt, history=kept))
            await self._make(stage).gen_answer(read)
            require(_body(vendor) == before, "A conversation from JSON is not sent by a new worker as by the first.")

        self._converse(scene, _signed(), _DONE)

    # What the checks are made of.

    def _converse(
        self,
        scene: Callable[[Stage[LLMWorkerAbstract, str]], Awaitable[None]],
        *answers: LLMAnswer,
        is_streamed: bool = False,
    ) -> None:
        """Run a scene whose vendor gives answers with parts, where the model can have a conversation with tools."""
        for needed in (Capability.TOOLS, Capability.HISTORY, *([Capability.STREAMING] if is_streamed else [])):
            self._skip_undeclared(needed)
        if self._is_real():
            pytest.skip("it takes no orders")
        self._play(scene, answer=Script(*answers))

    def _vendor_of(self, stage: Stage[LLMWorkerAbstract, str]) -> ConversationVendor:
        if not isinstance(stage.vendor, ConversationVendor):
            fail(
                "The model declares tools: derive the vendor from pipelex.testing.conversation.ConversationVendor, and "
                "write tool calls and thoughts in reply_with()."
            )
        return stage.vendor

    def _text_job(self) -> LLMJob:
        return LLMJob(prompt=LLMPrompt(user_text=self.prompt(new_token())))

    def _asking(self) -> LLMJob:
        return replace(self._text_job(), params=LLMJobParams(tools=(LOOK,)))

    def _steady(self, job: LLMJob, capabilities: frozenset[Capability]) -> LLMJob:
        """Ask a real engine for the same answer each time, as far as it can: it is compared with itself."""
        if not self._is_real():
            return job
        params = job.params
        if Capability.SEED in capabilities:
            params = replace(params, seed=params.seed or 1)
        elif Capability.TEMPERATURE in capabilities:
            params = replace(params, temperature=params.temperature or 0.0)
        return replace(job, params=params)

    async def _whole(self, worker: LLMWorkerAbstract, job: LLMJob, *, is_streamed: bool) -> LLMAnswer:
        if not is_streamed:
            return await worker.gen_answer(job)
        async with worker.stream_answer(job) as stream:
            return await stream.answer()

    async def _answer_and_reply(
        self, worker: LLMWorkerAbstract, vendor: ConversationVendor, job: LLMJob, *, is_streamed: bool
    ) -> tuple[LLMAnswer, str]:
        """Return an answer, and the JSON of the reply that it was made of."""
        replies: list[HttpReply] = []

        def keep(reply: HttpReply) -> HttpReply:
            replies.append(reply)
            return reply

        vendor.change_with(keep)
        answer = await self._whole(worker, job, is_streamed=is_streamed)
        vendor.change_with(None)
        return answer, vendor.texts_of(replies[-1])

    def _reason_for(self, mess: str) -> str | None:
        return {**self.essential_keys, **self.sdk_refuses}.get(mess)


class _Look:
    """A tool that remembers what it was called with."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def look(self, place: Annotated[str, "Where to look."]) -> str:
        """Look at a place and return how warm it is."""
        self.seen.append(place)
        return "31 degrees"


def _signed() -> LLMAnswer:
    thought, text, call = _SIGNATURES
    return _said(
        ReasoningPart(text=_THOUGHT, opaque=thought),
        TextPart(text="I look at it.", opaque=text),
        replace(_ROME, opaque=call),
    )


def _results(answer: LLMAnswer) -> list[ToolResultPart]:
    return [
        ToolResultPart(call_id=call.id, content=f"KITRESULT{number}") for number, call in enumerate(answer.tool_calls)
    ]


def _body(vendor: ConversationVendor) -> str:
    return vendor.requests[-1].decode("utf-8", "replace")


def _json(vendor: ConversationVendor) -> object:
    return json.loads(vendor.server.requests[-1].body)


def _place_of(text: str, data: object) -> tuple[int | str, ...]:
    """Return the keys that lead to the string that holds a text, from the outside in."""
    items: Iterable[tuple[int | str, object]] = ()
    match data:
        case dict():
            items = data.items()
        case list():
            items = enumerate(data)
    for key, value in items:
        if text in json.dumps(value):
            return (key, *_place_of(text, value))
    return ()


def _is_before(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    """Return whether one place comes before another in the same list; the fields of an object have no order."""
    for key, other_key in zip(one, other, strict=False):
        if key != other_key:
            return isinstance(key, str) or (isinstance(other_key, int) and key < other_key)
    return True


def _without_ids(answer: LLMAnswer) -> list[object]:
    """Return the parts of an answer without what may be made here: ids that the vendor does not send."""
    return [replace(part, id="") if isinstance(part, ToolCallPart) else part for part in answer.parts]
