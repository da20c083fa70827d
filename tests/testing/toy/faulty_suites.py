"""One suite for each faulty plugin. Not collected by itself: test_kit_goes_red.py runs it in a process of its own."""

from __future__ import annotations

from typing import NamedTuple

from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.testing import vendor as kit
from pipelex.testing.conformance import Conformance
from tests.testing.toy import faulty_plugins, vendor
from tests.testing.toy.faulty_top import HeavyPlugin

FEW = {
    "capabilities": frozenset(
        {
            *(Capability.STREAMING, Capability.STRUCTURED_OUTPUT, Capability.SEED, Capability.STOP, Capability.TOOLS),
            *(Capability.HISTORY, Capability.IMAGES, Capability.TOOL_CHOICE, Capability.TOKEN_COUNTING),
            *(Capability.STRUCTURED_OUTPUT_WITH_TOOLS, Capability.TOOL_RESULT_FILES),
        }
    ),
    "concurrency": 4,
}


TOO_SLOW = {
    kit.Fault.TIMEOUT: "waiting for it 28 times takes too long",
    kit.Fault.STALLED: "waiting for it 28 times takes too long",
}


FREE = "test_a_call_leaves_the_event_loop_free"
LATE = ("test_cancellation_leaves_nothing_behind",)  # a call that blocks is over before anybody can cancel it


class Fault(NamedTuple):
    """A plugin, and the one check that it fails; and what it fails too, where that cannot be helped."""

    plugin: str
    check: str
    suite: type = vendor.ToyLLMConformance
    too: tuple[str, ...] = ()


FAULTS = (
    Fault("HeavyPlugin", "test_importing_the_plugin_is_light"),
    Fault("ReadingPlugin", "test_register_is_pure"),
    Fault("UnservedPlugin", "test_boot_accepts_the_plugin"),
    Fault("ForgetfulPlugin", "test_register_is_repeatable"),
    Fault("UnguardedPlugin", "test_a_missing_sdk_names_the_extra"),
    Fault("WithDisguised", "test_the_worker_is_of_the_family"),
    Fault("RebuildingPlugin", "test_the_client_is_memoized_per_handle"),
    Fault("WithStripping", "test_the_plain_call_answers"),
    Fault("WithOneLoop", "test_the_sync_twin_answers"),
    Fault("WithDropping", "test_a_declared_capability_is_honoured"),
    Fault("WithUnrefusing", "test_an_undeclared_capability_is_refused"),
    Fault("WithUncounting", "test_usage_is_reported_on_success", too=("test_each_count_of_the_usage_is_kept",)),
    Fault("WithUnreporting", "test_a_failure_is_reported"),
    Fault("WithMisnaming", "test_an_error_is_classified"),
    Fault("WithShielding", "test_cancellation_leaves_nothing_behind"),
    Fault("WithHoldingOnTimeout", "test_a_timeout_leaves_nothing_behind"),
    Fault("WithHoldingOnSuccess", "test_a_finished_call_leaves_nothing_behind"),
    Fault("WithShowingClient", "test_no_key_is_shown"),
    Fault("WithMixing", "test_concurrent_calls_do_not_mix"),
    Fault("WithBlockingClient", FREE, too=LATE),
    Fault("WithBlockingImages", FREE, vendor.ToyImgGenConformance, too=LATE),
    Fault("WithBlockingPages", FREE, vendor.ToyExtractConformance, too=LATE),
    Fault("WithBlockingSearch", FREE, vendor.ToySearchConformance, too=LATE),
    Fault("WithTrimming", "test_streamed_pieces_join_to_the_text"),
    Fault("WithReadingOn", "test_a_stream_left_early_is_let_go"),
    Fault("WithEndingQuietly", "test_a_broken_stream_is_an_error"),
    Fault("WithMixingStreams", "test_concurrent_streams_do_not_mix"),
    Fault("WithUntyped", "test_an_object_is_of_the_type_asked_for"),
    Fault("WithTrusting", "test_an_odd_answer_costs_neither_text_nor_usage"),
    Fault("WithTrustingImages", "test_an_odd_answer_costs_no_content", vendor.ToyImgGenConformance),
    Fault("WithTrustingPages", "test_an_odd_answer_costs_no_content", vendor.ToyExtractConformance),
    Fault("WithUnnestingPages", "test_an_odd_answer_costs_no_content", vendor.ToyExtractConformance),
    Fault("WithTrustingSearch", "test_an_odd_answer_costs_no_content", vendor.ToySearchConformance),
    Fault("WithHalfAnswering", "test_half_an_answer_is_an_error"),
    Fault("WithRecounting", "test_tokens_are_counted_by_the_vendor"),
    Fault("WithUnsigning", "test_what_is_opaque_comes_back"),
    Fault("WithHoarding", "test_nothing_opaque_goes_to_another_backend"),
    Fault("WithHalfThinking", "test_a_broken_thought_is_not_sent_back"),
    Fault("WithBelieving", "test_a_cut_call_is_not_run"),
    Fault("WithIndexing", "test_messy_calls_are_understood"),
    Fault("WithReversing", "test_results_go_back_in_the_order_of_the_calls"),
    Fault("WithNullArguments", "test_a_call_without_arguments_is_run"),
    Fault("WithDescribing", "test_an_image_from_a_tool_arrives"),
    Fault("WithChoosing", "test_tools_and_a_schema_work_together"),
    Fault("WithForcing", "test_each_tool_choice_is_kept"),
    Fault("WithToolsOrNoCalls", "test_a_conversation_with_calls_needs_no_tools"),
    Fault("WithCountingTwice", "test_each_count_of_the_usage_is_kept"),
    Fault("WithTrimmingThoughts", "test_a_streamed_answer_is_the_same_answer"),
    Fault("WithCountingBytes", "test_citations_point_at_the_words"),
    Fault("WithRemembering", "test_a_conversation_is_kept_as_json"),
    Fault("WithOneImage", "test_as_many_images_come_as_are_asked_for", vendor.ToyImgGenConformance),
    Fault("WithUnfilteredImages", "test_half_an_answer_is_an_error", vendor.ToyImgGenConformance),
    Fault("WithOtherPages", "test_pages_come_one_by_one", vendor.ToyExtractConformance),
    Fault("WithMiscountedPages", "test_progress_is_told", vendor.ToyExtractConformance),
    Fault("WithUntypedSearch", "test_a_structured_answer_is_of_the_type_asked_for", vendor.ToySearchConformance),
)


def _suite(fault: Fault) -> type:
    made = HeavyPlugin if fault.plugin == "HeavyPlugin" else getattr(faulty_plugins, fault.plugin)
    few = FEW if fault.suite is vendor.ToyLLMConformance else {"concurrency": 4}
    timeout_s = {"test_a_timeout_leaves_nothing_behind": 0.1, FREE: 1.0}.get(fault.check, 3.0)
    members: dict[str, object] = {
        **few,
        "cannot": {} if timeout_s < 3.0 else TOO_SLOW,
        "plugin": lambda self: made(),
        "backend": lambda self, endpoint: vendor.toy_backend(endpoint, timeout_s=timeout_s),
        "__module__": __name__,
    }
    return type(f"Test{fault.plugin}", (fault.suite,), members)


globals().update({f"Test{fault.plugin}": _suite(fault) for fault in FAULTS})
assert all(issubclass(fault.suite, Conformance) for fault in FAULTS)
