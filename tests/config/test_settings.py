from __future__ import annotations

import gc
import json
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import Capability, InferenceModelSpec
from pipelex.config.locations import DEFAULTS
from pipelex.config.settings import Settings
from pipelex.config.starter import packaged_settings
from pipelex.config.toml_file import TomlFile
from pipelex.exceptions import ConfigurationError, MissingCredentialError, UnknownBackendError, UnknownModelError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.redaction import redact
from pipelex.spi.lock import read_spi_lock

if TYPE_CHECKING:
    from pipelex.exceptions import ConfigurationProblem
    from tests.config.conftest import Folders

ACME = """\
[backends.acme]
endpoint = "https://acme.test/${ACME_REGION}"
api_key = "${ACME_KEY}"
region = "eu"
retries = 3
verbose = true

[backends.acme.llm]
sdk = "acme_chat"
capabilities = ["streaming"]
"""


@pytest.fixture
def acme(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Folders:
    folders.of_project(ACME)
    monkeypatch.setenv("ACME_KEY", "sk-very-secret")
    monkeypatch.setenv("ACME_REGION", "eu-1")
    return folders


def test_the_packaged_defaults_are_complete(folders: Folders) -> None:
    """Every packaged model and default resolves; a backend has no key of its own."""
    settings = Settings.load()
    for model in settings.models():
        assert settings.resolve_model(model.name, family=model.family) == model
        with suppress(MissingCredentialError):
            assert settings.resolve_backend(model.backend_name).api_key is None
        assert model.sdk in settings.sdks_of(model.backend_name)
    for family in InferenceFamily:
        default = settings.default_model(family)
        assert default is None or settings.resolve_model(default, family=family).family == family


def test_the_packaged_language_model_is_what_the_catalogue_says(folders: Folders) -> None:
    spec = Settings.load().resolve_model("smollm2", family=InferenceFamily.LLM)
    assert (spec.backend_name, spec.sdk, spec.model_id) == ("local", "llama_cpp", "smollm2-135m-instruct")
    assert Capability.STRUCTURED_OUTPUT in spec.capabilities
    assert spec.max_output_tokens == 512


def test_a_backend_and_model_id_need_no_catalogue_entry(acme: Folders) -> None:
    assert Settings.load().resolve_model("acme/some/model", family=InferenceFamily.LLM) == InferenceModelSpec(
        name="acme/some/model",
        family=InferenceFamily.LLM,
        backend_name="acme",
        sdk="acme_chat",
        model_id="some/model",
        capabilities=frozenset({Capability.STREAMING}),
    )


def test_the_sdk_of_a_backend_without_a_family_table_is_its_own_name(folders: Folders) -> None:
    folders.of_project("[backends.acme]\n")
    settings = Settings.load()
    assert settings.resolve_model("acme/x", family=InferenceFamily.SEARCH).sdk == "acme"
    assert settings.sdks_of("acme") == ("acme",)


def test_a_backend_of_other_families_serves_this_one_only_by_an_sdk_of_its_own_name(acme: Folders) -> None:
    settings = Settings.load()
    with pytest.raises(UnknownModelError, match="It is of the family 'llm'"):
        settings.resolve_model("acme/x", family=InferenceFamily.SEARCH, known_sdks=["other"])
    assert settings.resolve_model("acme/x", family=InferenceFamily.SEARCH, known_sdks=["acme"]).sdk == "acme"


def test_a_catalogue_model_is_completed_by_its_backend_and_keeps_its_extras(acme: Folders) -> None:
    acme.of_project(
        '[models.big]\nfamily = "llm"\nbackend = "acme"\ntier = "gold"\ncontext_window = 10\n', "models.toml"
    )
    spec = Settings.load().resolve_model("big", family=InferenceFamily.LLM)
    assert (spec.sdk, spec.model_id, spec.capabilities) == ("acme_chat", "big", frozenset({Capability.STREAMING}))
    assert (spec.context_window, dict(spec.extras)) == (10, {"tier": "gold"})


def test_what_a_model_can_do_follows_from_its_sdk_where_no_table_states_it(folders: Folders) -> None:
    folders.of_project('[backends.mine.llm]\nsdk = "openai"\n')
    settings = Settings.load()
    packaged = settings.resolve_model("openai/x", family=InferenceFamily.LLM)
    assert Capability.STRUCTURED_OUTPUT in packaged.capabilities
    assert settings.resolve_model("mine/x", family=InferenceFamily.LLM).capabilities == packaged.capabilities
    folders.of_project('[backends.mine.llm]\nsdk = "openai"\ncapabilities = ["streaming"]\n')
    folders.of_project('[models.few]\nfamily = "llm"\nbackend = "mine"\ncapabilities = []\n', "models.toml")
    settings = Settings.load()
    assert settings.resolve_model("mine/x", family=InferenceFamily.LLM).capabilities == {Capability.STREAMING}
    assert settings.resolve_model("few", family=InferenceFamily.LLM).capabilities == frozenset()


def test_how_a_server_differs_is_stated_for_a_backend_a_family_or_a_model(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE_TOKEN", "hidden-token-1")
    folders.user(
        '[backends.mine]\nstructured_by = "tool"\nstream_usage = false\nregion = "eu"\n'
        '[backends.mine.extra_headers]\nX-Token = "${MINE_TOKEN}"\nHTTP-Referer = "https://app.test"\n'
        "[backends.mine.extra_body]\ntop_k = 5\nprovider = {order = ['a', 'b'], only = true}\n"
        '[backends.mine.llm]\nsdk = "openai"\nstructured_by = "json_object"\n'
        "[backends.mine.llm.extra_headers]\nX-Tier = 'gold'\n"
    )
    folders.user(
        '[models.few]\nfamily = "llm"\nbackend = "mine"\nstream_usage = true\n'
        "[models.few.extra_body]\ntop_k = 1\n[models.few.extra_headers]\nX-Api-Key = 'hidden-token-2'\n",
        "models.toml",
    )
    settings = Settings.load()
    backend = settings.resolve_backend("mine")
    assert {"X-Token": "hidden-token-1", "HTTP-Referer": "https://app.test"} == backend.headers
    assert {"region": "eu"} == backend.extras
    assert ("MINE_TOKEN",) == settings.variables_of("mine")
    assert (InferenceFamily.LLM,) == settings.families_of("mine")
    plain = settings.resolve_model("mine/x", family=InferenceFamily.LLM)
    assert {"structured_by": "json_object", "stream_usage": False} == plain.extras
    assert {"X-Tier": "gold"} == plain.extra_headers
    assert {"top_k": 5, "provider": {"order": ["a", "b"], "only": True}} == plain.extra_body
    few = settings.resolve_model("few", family=InferenceFamily.LLM)
    assert {"structured_by": "json_object", "stream_usage": True} == few.extras
    assert {"X-Tier": "gold", "X-Api-Key": "hidden-token-2"} == few.extra_headers
    assert {"top_k": 1, "provider": {"order": ["a", "b"], "only": True}} == few.extra_body
    assert "hidden" not in f"{backend!r}{few!r}" + redact("hidden-token-1 hidden-token-2")
    monkeypatch.delenv("MINE_TOKEN")
    with pytest.raises(MissingCredentialError, match="MINE_TOKEN"):
        Settings.load().resolve_backend("mine")


def test_an_sdk_of_a_third_party_plugin_declares_what_a_file_states_and_nothing_else(folders: Folders) -> None:
    folders.of_project('[backends.acme.llm]\nsdk = "acme_chat"\n')
    assert Settings.load().resolve_model("acme/x", family=InferenceFamily.LLM).capabilities == frozenset()
    folders.user('[sdks.llm.acme_chat]\ncapabilities = ["stop"]\n')
    assert Settings.load().resolve_model("acme/x", family=InferenceFamily.LLM).capabilities == {Capability.STOP}


@pytest.mark.parametrize(
    "name",
    [
        *("deepseek", "groq", "together", "fireworks", "xai", "cerebras", "perplexity"),
        *("nvidia_nim", "ollama", "lm_studio", "vllm", "llama_server"),
    ],
)
def test_a_vendor_of_the_format_is_a_packaged_backend_with_the_page_that_it_was_written_by(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings = Settings.load()
    for variable in settings.variables_of(name):
        assert variable == f"{name.upper()}_API_KEY"
        monkeypatch.setenv(variable, "a-key")
    spec, endpoint = (
        settings.resolve_model(f"{name}/x", family=InferenceFamily.LLM),
        settings.resolve_backend(name).endpoint,
    )
    assert spec.sdk == "openai"
    assert endpoint is not None
    assert endpoint.startswith("https://" if settings.variables_of(name) else "http://localhost:")
    above = (DEFAULTS / "pipelex.toml").read_text(encoding="utf-8").partition(f"[backends.{name}]")[0].splitlines()
    assert above[-1].startswith("# https://")


def test_every_built_in_sdk_has_its_capabilities_stated() -> None:
    stated = TomlFile.read(DEFAULTS / "pipelex.toml").table("sdks")
    keys = {f"{family}/{sdk}" for family, sdks in stated.items() if isinstance(sdks, dict) for sdk in sdks}
    assert keys == {key for row in read_spi_lock().builtins for key in row.backends}


def test_a_stronger_file_overrides_key_by_key(folders: Folders) -> None:
    folders.user('[defaults]\nllm = "mine"\n[backends.local]\nthreads = 1\nmode = "a"\n')
    folders.of_project('[defaults]\nextract = "ours"\n[backends.local]\nthreads = 2\n')
    folders.of_project("[models.smollm2]\nmax_output_tokens = 7\ncapabilities = []\n", "models.toml")
    settings = Settings.load()
    assert settings.default_model(InferenceFamily.LLM) == "mine"
    assert settings.default_model(InferenceFamily.EXTRACT) == "ours"
    assert dict(settings.resolve_backend("local").extras) == {"threads": 2, "mode": "a"}
    spec = settings.resolve_model("smollm2", family=InferenceFamily.LLM)
    assert (spec.max_output_tokens, spec.model_id, spec.capabilities) == (7, "smollm2-135m-instruct", frozenset())


def test_a_backend_is_resolved_from_the_environment_at_use(acme: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load()
    assert settings.resolve_backend("acme") == InferenceBackend(
        name="acme",
        endpoint="https://acme.test/eu-1",
        api_key="sk-very-secret",
        extras={"region": "eu", "retries": 3, "verbose": True},
    )
    assert settings.resolve_backend("acme") is settings.resolve_backend("acme")
    monkeypatch.setenv("ACME_KEY", "another")
    assert settings.resolve_backend("acme").api_key == "another"
    monkeypatch.delenv("ACME_REGION")
    with pytest.raises(MissingCredentialError):
        settings.resolve_backend("acme")


def test_an_extra_may_be_a_list_of_texts_numbers_and_booleans(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK", "/desk")
    folders.of_project('[backends.acme]\nfolders = ["a", "${DESK}/b"]\nsizes = [1, 2]\nmixed = [1, "two"]\none = "a"\n')
    settings = Settings.load()
    assert ("DESK",) == settings.variables_of("acme")
    backend = settings.resolve_backend("acme")
    assert ("a", "/desk/b") == backend.get_extra_list("folders", of=str)
    assert (1, 2) == backend.get_extra_list("sizes", of=int)
    assert () == backend.get_extra_list("missing", of=str)
    for key, reason in (("mixed", "another type in it"), ("sizes", "list of str"), ("one", "got a str")):
        with pytest.raises(ConfigurationError, match=reason):
            backend.get_extra_list(key, of=str)


def test_white_space_around_what_is_read_is_no_part_of_it(acme: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", " sk-very-secret\n")
    monkeypatch.setenv("ACME_REGION", "eu-1\t")
    acme.of_project(ACME.replace("https://acme.test", "  https://acme.test").replace('"eu"', '" eu "'))
    backend = Settings.load().resolve_backend("acme")
    assert (backend.endpoint, backend.api_key) == ("https://acme.test/eu-1", "sk-very-secret")
    assert backend.extras["region"] == "eu"


@pytest.mark.parametrize(
    ("variable", "value", "line", "key"),
    [("ACME_REGION", "eu?x=1", 2, "endpoint"), ("ACME_KEY", "sk\u201d", 3, "api_key")],
)
def test_a_value_that_the_record_refuses_is_named_by_file_and_line(
    acme: Folders, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: int, key: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load().resolve_backend("acme")
    (problem,) = caught.value.problems
    assert (line, f"backends.acme.{key}") == (problem.line, problem.key)
    assert problem.file.endswith("pipelex.toml")
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", " ", "\t\n"])
def test_a_missing_variable_is_named_and_hurts_its_backend_alone(
    acme: Folders, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setenv("ACME_KEY", value) if value is not None else monkeypatch.delenv("ACME_KEY")
    settings = Settings.load()
    with pytest.raises(MissingCredentialError) as caught:
        settings.resolve_backend("acme")
    assert (caught.value.backend_name, caught.value.variables) == ("acme", ("ACME_KEY",))
    assert settings.resolve_backend("local").name == "local"


def test_all_missing_variables_are_named_at_once(acme: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    acme.of_project('[backends.acme]\nendpoint = "${ACME_URL}/${ACME_KEY}"\napi_key = "${ACME_KEY}"\n')
    monkeypatch.delenv("ACME_KEY")
    with pytest.raises(MissingCredentialError, match="variables ACME_URL and ACME_KEY, which are not set") as caught:
        Settings.load().resolve_backend("acme")
    assert ("ACME_URL", "ACME_KEY") == caught.value.variables
    assert "(export ACME_URL=... ACME_KEY=...)" in str(caught.value)


def test_an_escaped_reference_is_literal(folders: Folders) -> None:
    folders.of_project('[backends.acme]\napi_key = "$${x}"\nprice = "5$"\n')
    backend = Settings.load().resolve_backend("acme")
    assert (backend.api_key, dict(backend.extras)) == ("${x}", {"price": "5$"})


@pytest.mark.parametrize("value", ["$ACME_KEY", "${ACME_KEY", "${}", "${sk-secret}"])
def test_a_malformed_reference_is_refused_without_showing_the_value(folders: Folders, value: str) -> None:
    file = folders.of_project(f'[backends.acme]\napi_key = "{value}"\n')
    with pytest.raises(ConfigurationError) as caught:
        Settings.load().resolve_backend("acme")
    assert (str(file), 2, "backends.acme.api_key") == (caught.value.file, caught.value.line, caught.value.key)
    assert value not in str(caught.value)


def test_unknown_names_are_answered_with_the_nearest(folders: Folders) -> None:
    settings = Settings.load()
    with pytest.raises(UnknownModelError, match="Did you mean 'smollm2'") as model:
        settings.resolve_model("smolm", family=InferenceFamily.LLM)
    assert model.value.known[0] == "smollm2"
    with pytest.raises(UnknownBackendError) as backend:
        settings.resolve_backend("locall")
    assert backend.value.known[0] == "local"
    with pytest.raises(UnknownBackendError):
        settings.resolve_model("nowhere/x", family=InferenceFamily.LLM)


def test_a_model_of_another_family_is_said_to_be_one(folders: Folders) -> None:
    with pytest.raises(UnknownModelError, match="It is of the family 'llm'") as caught:
        Settings.load().resolve_model("smollm2", family=InferenceFamily.EXTRACT)
    assert caught.value.actual_families == ("llm",)


@pytest.mark.parametrize("name", ["", "/", "local/", "/x"])
def test_half_a_name_is_no_model(folders: Folders, name: str) -> None:
    with pytest.raises(UnknownModelError):
        Settings.load().resolve_model(name, family=InferenceFamily.LLM)


@pytest.mark.parametrize(
    ("name", "text", "line", "key", "reason"),
    [
        ("pipelex.toml", "[sdks.lmm.x]\n", 1, "sdks.lmm", "Did you mean 'llm'?"),
        ("pipelex.toml", "[sdks.llm]\nx = 1\n", 2, "sdks.llm.x", "expected a table: [sdks.llm.<name>]"),
        ("pipelex.toml", "[sdks.llm.x]\ncapability = []\n", 2, "sdks.llm.x.capability", "Did you mean 'capabilities'?"),
        (
            "pipelex.toml",
            '[backends.x]\nstructured_by = "grammar"\n',
            2,
            "backends.x.structured_by",
            "expected 'json_s",
        ),
        ("pipelex.toml", "[backends.x]\nextra_headers = 'a'\n", 2, "backends.x.extra_headers", "a table of headers"),
        (
            "pipelex.toml",
            "[backends.x.extra_headers]\n'a b' = 'c'\n",
            2,
            'backends.x.extra_headers."a b"',
            "the name of",
        ),
        ("models.toml", "[models.x]\nstream_usage = 1\n", 2, "models.x.stream_usage", "true or false, got a number"),
        ("models.toml", "[models.x.extra_body]\na = [nan]\n", 2, "models.x.extra_body.a", "a finite number"),
        ("models.toml", "[models.x.extra_headers]\na = '${B}'\n", 2, "models.x.extra_headers.a", "no variable is read"),
        ("models.toml", "[models.x.extra_headers]\na = 1\n", 2, "models.x.extra_headers.a", "expected a string"),
        ("pipelex.toml", "[backend.x]\n", 1, "backend", "Did you mean 'backends'?"),
        ("pipelex.toml", "[models.x]\n", 1, "models", "belongs into models.toml"),
        ("models.toml", "[backends.x]\n", 1, "backends", "belongs into pipelex.toml"),
        ("pipelex.toml", "defaults = 3\n", 1, "defaults", "expected a table"),
        ("pipelex.toml", "[backends]\nx = 3\n", 2, "backends.x", "expected a table"),
        ("pipelex.toml", '[backends."a/b"]\n', 1, 'backends."a/b"', "may not be empty or hold '/'"),
        ("pipelex.toml", "[backends.x]\n\n[backends.x.lm]\n", 3, "backends.x.lm", "Did you mean 'llm'?"),
        ("pipelex.toml", "[backends.x]\nllm = 'y'\n", 2, "backends.x.llm", "expected a table"),
        ("pipelex.toml", "[backends.x]\nendpont = 'y'\n", 2, "backends.x.endpont", "Did you mean 'endpoint'?"),
        ("pipelex.toml", "[backends.x]\nendpoint = ''\n", 2, "backends.x.endpoint", "Leave the line out"),
        ("pipelex.toml", "[backends.x]\nendpoint = ' '\n", 2, "backends.x.endpoint", "expected an address"),
        ("pipelex.toml", "[backends.x]\nAPI-KEY = 'y'\n", 2, "backends.x.API-KEY", "Did you mean 'api_key'?"),
        ("pipelex.toml", "[backends.x]\nscopes = [['y']]\n", 2, "backends.x.scopes", "or a list of these"),
        ("pipelex.toml", "[backends.x.llm]\nskd = 'y'\n", 2, "backends.x.llm.skd", "Did you mean 'sdk'?"),
        (
            "pipelex.toml",
            "[backends.x.llm]\ncapabilities = ['streeming']\n",
            2,
            "backends.x.llm.capabilities",
            "unknown capability 'streeming'. Did you mean 'streaming'?",
        ),
        ("pipelex.toml", "[defaults]\nlmm = 'x'\n", 2, "defaults.lmm", "Did you mean 'llm'?"),
        ("pipelex.toml", "[defaults]\nllm = 3\n", 2, "defaults.llm", "name of a model"),
        ("models.toml", "[models.x]\nfamily = 'extrakt'\n", 2, "models.x.family", "Did you mean 'extract'?"),
        (
            "models.toml",
            "[models.x]\ncontext_window = '9'\n",
            2,
            "models.x.context_window",
            "1000000000, got a string",
        ),
        (
            "models.toml",
            "[models.x]\nmax_output_tokens = 0\n",
            2,
            "models.x.max_output_tokens",
            "to 1000000000, got 0",
        ),
        ("models.toml", "[models.x]\ncapabilities = 'url'\n", 2, "models.x.capabilities", "list of capabilities"),
        ("models.toml", "[models.x]\nmodel-id = 'y'\n", 2, "models.x.model-id", "Did you mean 'model_id'?"),
        ("models.toml", "[models.x.y]\n", 1, "models.x.y", "or a list of these"),
        ("pipelex.toml", "[backends.x]\ncapabilities = []\n", 2, "backends.x.capabilities", "[backends.x.llm]"),
        ("pipelex.toml", "[backends.x]\nsdk = 'y'\n", 2, "backends.x.sdk", "[backends.x.llm]"),
        ("pipelex.toml", "[backends.x]\ntimeout_s = inf\n", 2, "backends.x.timeout_s", "up to 86400, got inf"),
        ("pipelex.toml", "[backends.x]\ndeadline_s = 1e300\n", 2, "backends.x.deadline_s", "got 1e+300"),
        ("pipelex.toml", "[backends.x]\ntimeout_s = nan\n", 2, "backends.x.timeout_s", "got nan"),
        ("pipelex.toml", "[backends.x]\ntimeout_s = true\n", 2, "backends.x.timeout_s", "got a boolean"),
        ("pipelex.toml", "[backends.x]\ntimeout_s = '9'\n", 2, "backends.x.timeout_s", "got a string"),
        ("pipelex.toml", "[backends.x]\nmax_retry_after_s = -1\n", 2, "backends.x.max_retry_after_s", "from 0 to"),
        ("pipelex.toml", "[backends.x]\nmax_concurrency = 20000000\n", 2, "backends.x.max_concurrency", "1 to 10000"),
        ("pipelex.toml", "[backends.x]\nmax_attempts = 1.5\n", 2, "backends.x.max_attempts", "whole number"),
        ("pipelex.toml", "[backends.x]\nlimit = inf\n", 2, "backends.x.limit", "a finite number, got inf"),
        ("pipelex.toml", f"[backends.x]\nlimit = {2**63}\n", 2, "backends.x.limit", "64 bits"),
        ("pipelex.toml", f"[backends.x]\nmax_attempts = {2**63}\n", 2, "backends.x.max_attempts", "more than 64 bits"),
        ("pipelex.toml", f"x = {'9' * 5000}\n", 1, None, "too many digits"),
        ("pipelex.toml", f"x = {'[' * 5000}{']' * 5000}\n", 1, None, "levels deep"),
        ("models.toml", "[models.x]\ntemperature = nan\n", 2, "models.x.temperature", "a finite number, got nan"),
        ("models.toml", "[models.x]\nbackend = ''\n", 2, "models.x.backend", "got an empty string"),
        ("models.toml", "[models.x]\nsince = 2026-01-01\n", 2, "models.x.since", "got a date or time"),
    ],
)
def test_a_wrong_file_is_named_by_file_line_and_key(
    folders: Folders, name: str, text: str, line: int, key: str | None, reason: str
) -> None:
    file = folders.user(text, name)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert (str(file), line, key) == (caught.value.file, caught.value.line, caught.value.key)
    assert reason in str(caught.value)


def test_all_problems_of_all_files_are_reported_at_once_in_order(folders: Folders) -> None:
    mine = folders.user("[backends.x]\ntimeout_s = inf\n[plugins]\ndisabled = 3\n[defaults]\nlllm = 1\n")
    ours = folders.of_project("[backend.y]\n[backends.x]\napi_key = '$KEY'\n")
    catalogue = folders.of_project(
        "[models.x]\nfamily = 'llm'\ncapabilities = ['sed', 'seed', 'url', 3]\n", "models.toml"
    )
    broken = folders.user("[models\n", "models.toml")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert [(problem.file, problem.line, problem.key) for problem in caught.value.problems] == [
        (str(broken), 1, None),
        (str(mine), 2, "backends.x.timeout_s"),
        (str(mine), 4, "plugins.disabled"),
        (str(mine), 6, "defaults.lllm"),
        (str(catalogue), 3, "models.x.capabilities"),
        (str(catalogue), 3, "models.x.capabilities"),
        (str(ours), 1, "backend"),
        (str(ours), 3, "backends.x.api_key"),
    ]
    assert str(caught.value).count("\n") == len(caught.value.problems) - 1
    assert json.loads(json.dumps(caught.value.to_dict()))["problems"][1]["line"] == 2
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_what_is_wrong_is_left_out_where_problems_are_collected(folders: Folders) -> None:
    folders.user("[backends.acme]\ntimeout_s = inf\nmax_attempts = 7\nregion = 'eu'\n")
    models = "[models.a]\nfamily = 'llm'\nbackend = 3\n[models.b]\nfamily = 'llm'\nbackend = 'acme'\n"
    folders.user(models, "models.toml")
    problems: list[ConfigurationProblem] = []
    settings = Settings.load(problems=problems)
    assert [problem.key for problem in problems] == ["backends.acme.timeout_s", "models.a.backend"]
    backend = settings.resolve_backend("acme")
    assert (backend.policy.max_attempts, backend.policy.timeout_s, dict(backend.extras)) == (7, 300.0, {"region": "eu"})
    assert {"b"} == {spec.name for spec in settings.models()} - {spec.name for spec in packaged_settings().models()}


def test_every_value_knows_the_file_that_states_it(folders: Folders) -> None:
    mine = folders.user("[backends.openai]\nendpoint = 'https://mine.test'\ntimeout_s = 9\n")
    ours = folders.of_project("[backends.openai]\ntimeout_s = 8\n[defaults]\nllm = 'x'\n")
    settings = Settings.load()
    stated = {"endpoint": mine, "timeout_s": ours, "api_key": DEFAULTS / "pipelex.toml", "region": None}
    for key, path in stated.items():
        file = settings.origin(("backends", "openai", key))
        assert path == (file and file.path)
    default = settings.origin(("defaults", "llm"))
    assert default is not None
    assert (default.path, default.line_of(("defaults", "llm"))) == (ours, 4)


@pytest.mark.parametrize("was_enabled", [True, False])
def test_garbage_is_collected_again_after_a_reading_that_failed(folders: Folders, was_enabled: bool) -> None:
    folders.user("[models.x.y]\n", "models.toml")
    before = gc.isenabled()
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(ConfigurationError):
            Settings.load()
        assert was_enabled == gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[models.x]\nbackend = 'local'\n", 1, "'family' is missing"),
        ("[models.x]\nfamily = 'llm'\n", 1, "'backend' is missing"),
        ("[models.x]\nfamily = 'llm'\nbackend = 'locl'\n", 3, "Configured: local"),
    ],
)
def test_an_incomplete_model_is_an_error_when_it_is_used(folders: Folders, text: str, line: int, reason: str) -> None:
    folders.user(text, "models.toml")
    with pytest.raises(ConfigurationError, match=reason) as caught:
        Settings.load().resolve_model("x", family=InferenceFamily.LLM)
    assert caught.value.line == line


def test_an_incomplete_model_hides_no_other(folders: Folders) -> None:
    folders.user("[models.x]\n", "models.toml")
    settings = Settings.load()
    assert list(settings.models()) == list(packaged_settings().models())
    with pytest.raises(UnknownModelError, match="Did you mean 'smollm2'"):
        settings.resolve_model("smolm", family=InferenceFamily.LLM)
    with pytest.raises(ConfigurationError) as caught:
        settings.resolve_model("x", family=InferenceFamily.LLM)
    assert ["'family' is missing", "'backend' is missing"] == [problem.reason for problem in caught.value.problems]


@pytest.mark.parametrize(
    "line",
    ["api_key = 5309", "api_key = ['sk-5309']", "token = [['sk-5309']]", "endpoint = 5309", "pin = {a = 5309}"],
)
def test_an_error_never_shows_what_may_be_secret(folders: Folders, line: str) -> None:
    """Neither the message nor the chain of causes holds a value of a backend's table."""
    folders.of_project(f"[backends.acme]\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert "5309" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_nothing_that_holds_a_key_shows_it(acme: Folders) -> None:
    acme.of_project('[backends.acme]\napi_key = "sk-5309"\ntoken = "sk-5309"\n')
    settings = Settings.load()
    backend = settings.resolve_backend("acme")
    assert backend.api_key == "sk-5309"
    assert "5309" not in repr(settings) + repr(backend) + repr(settings.files)


@pytest.mark.parametrize("key", ["x_auth", "x_cookie", "account", "api_key"])
def test_what_comes_from_a_variable_is_masked_with_and_without_the_text_around_it(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("ACME_CANARY", " canary-6f1b\n")
    folders.of_project(f'[backends.acme]\n{key} = "Bearer ${{ACME_CANARY}}"\n')
    Settings.load().resolve_backend("acme")
    assert "got [redacted]; [redacted]" == redact("got Bearer canary-6f1b; canary-6f1b")


@pytest.mark.parametrize("key", ["endpoint", "region", "profile", "project", "location"])
def test_a_place_that_comes_from_a_variable_is_shown(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("ACME_PLACE", "http://127.0.0.1:9/v1")
    folders.of_project(f'[backends.acme]\n{key} = "${{ACME_PLACE}}"\n')
    Settings.load().resolve_backend("acme")
    assert "http://127.0.0.1:9/v1" == redact("http://127.0.0.1:9/v1")
