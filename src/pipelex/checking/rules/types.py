"""PX1xx: what mypy --strict reports."""

from __future__ import annotations

from pipelex.checking.examples import helper, plugin, worker
from pipelex.checking.rules.rule import Rule
from pipelex.checking.type_findings import type_findings

TYPE_ERROR = Rule(
    id="PX100",
    name="type-error",
    reason=(
        "What no other rule of this group names. A plugin is checked by mypy --strict against the published "
        "signatures, so that whoever calls a worker gets what its type states."
    ),
    expected="code that mypy --strict accepts",
    fix="Follow mypy's message; 'pipelex spi stubs' prints the folder of the published signatures.",
    positive=helper('def count() -> int:\n    return "one"\n'),
    near_miss=helper("import acme\n\n\ndef count() -> int:\n    return acme.count()\n"),
    check=type_findings,
)


WRONG_CALL = Rule(
    id="PX101",
    name="wrong-call",
    reason=(
        "An argument that is misspelt, missing or of another type fails when the plugin is used, far from where it was "
        "written. mypy sees it before the plugin is shipped."
    ),
    expected="the arguments that the signature has",
    fix="Compare the call with the signature, in the folder that 'pipelex spi stubs' prints or in docs/spi.md.",
    positive=plugin("family=InferenceFamily.LLM", "family=InferenceFamily.LLM, retries=3"),
    near_miss=plugin("family=InferenceFamily.LLM", 'family=InferenceFamily("llm")'),
    check=type_findings,
)


WRONG_OVERRIDE = Rule(
    id="PX102",
    name="wrong-override",
    reason=(
        "The public methods of a worker call its hooks with the arguments that the base class declares, and rely on "
        "what they return. A hook of another shape fails in the middle of a model call."
    ),
    expected="the signature of the method that is overridden",
    fix="Copy the method's signature from the worker base, in the folder that 'pipelex spi stubs' prints.",
    positive=worker("async def _gen_text(self, job: LLMJob)", "async def _gen_text(self, job: LLMJob, retries: int)"),
    near_miss=worker(
        "async def _gen_text(self, job: LLMJob)", "async def _gen_text(self, job: LLMJob, retries: int = 0)"
    ),
    check=type_findings,
)


UNKNOWN_NAME = Rule(
    id="PX103",
    name="unknown-name",
    reason=(
        "A name that is not published may exist in the version that is installed today. It is not promised, and "
        "the next version may be without it."
    ),
    expected="a name that is published",
    fix="Look the name up in docs/spi.md. What is missing there is a gap to report, not one to reach around.",
    positive=worker("job.prompt.user_text", "job.prompt.text"),
    near_miss=worker("import acme\n", "import acme\nimport acme_extras.of.any.kind\n"),
    check=type_findings,
)


MISSING_ANNOTATION = Rule(
    id="PX104",
    name="missing-annotation",
    reason="A function without annotations takes and returns anything, and so every mistake about it passes unseen.",
    expected="an annotation on every parameter and on the result",
    fix="Annotate the function. What comes from an SDK without types may be annotated as typing.Any.",
    positive=helper("def shorten(text):\n    return text[:80]\n"),
    near_miss=helper(
        "from typing import Any\n\nfrom acme import traced\n\n\n@traced\n"
        "def shorten(answer: Any) -> Any:\n    return answer.text\n"
    ),
    check=type_findings,
)


ABSTRACT_WORKER = Rule(
    id="PX105",
    name="abstract-worker",
    reason="A worker without the hook that its base class requires cannot be built: every call of its models fails.",
    expected="a class that defines every abstract method of its base",
    fix="Define the methods that the message names; their signatures are in the worker base.",
    positive=worker(
        "from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract",
        "from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract as LLMWorkerAbstract",
    ),
    near_miss=worker(
        "class AcmeLLMWorker(LLMWorkerAbstract):",
        "class AcmeBase(LLMWorkerAbstract):\n    pass\n\n\nclass AcmeLLMWorker(AcmeBase):",
    ),
    check=type_findings,
)


RULES = (
    TYPE_ERROR,
    WRONG_CALL,
    WRONG_OVERRIDE,
    UNKNOWN_NAME,
    MISSING_ANNOTATION,
    ABSTRACT_WORKER,
)
