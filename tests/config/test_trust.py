"""A project's files before and after its user trusts them."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.config.locations import ConfigFolder, config_folders, skipped_folders
from pipelex.config.plugins_config import load_plugins_config
from pipelex.config.settings import Settings
from pipelex.config.tables import BACKEND_KEYS, FAMILIES, MODEL_KEYS, SETTING_KEYS
from pipelex.config.toml_file import TomlFile
from pipelex.config.trust import forget_trust, record_of, record_trust, trust_records, trust_written
from pipelex.config.untrusted import ALLOWED, refusals_in
from pipelex.exceptions import ConfigurationError, ConfigurationProblem, UntrustedConfigurationError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.architecture.tree import SRC

if TYPE_CHECKING:
    from tests.config.conftest import Folders

LLM = InferenceFamily.LLM
posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")


@pytest.fixture(autouse=True)
def _nothing_is_trusted(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELEX_TRUST")
    for variable in ("OPENAI_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, "sk-CANARY")


def trust(folders: Folders) -> None:
    trust_written(folders.project / ".pipelex")


def refused(resolve: str = "backend", name: str = "openai") -> UntrustedConfigurationError:
    settings = Settings.load()
    with pytest.raises(UntrustedConfigurationError) as caught:
        settings.resolve_backend(name) if resolve == "backend" else settings.resolve_model(name, family=LLM)
    return caught.value


def keys_that_drivers_read() -> set[str]:
    """Return the extras that the sources of the drivers name, of backends and of models."""
    keys: set[str] = set()
    for path in (SRC / "pipelex" / "providers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            first = node.args[0]
            reads_extra = node.func.attr == "get_extra" or ast.unparse(node.func).endswith("extras.get")
            if reads_extra and isinstance(first, ast.Constant):
                keys.add(str(first.value))
    return keys


def test_the_keys_that_drivers_read_are_found() -> None:
    assert {"api_version", "region", "weights", "control_endpoint", "project"} <= keys_that_drivers_read()


POLICY = (
    "timeout_s",
    "connect_timeout_s",
    "max_attempts",
    "deadline_s",
    "max_retry_after_s",
    "max_outage_s",
    "max_validation_retries",
    "max_concurrency",
    "requests_per_minute",
    "tokens_per_minute",
)


SETTINGS = {
    "structured_by": 'structured_by = "tool"',
    "stream_usage": "stream_usage = false",
    "stream_end_unnamed": "stream_end_unnamed = true",
    "limit_name": 'limit_name = "max_tokens"',
    "extra_headers": "extra_headers = {X-Tier = 'gold', capabilities = 'x'}",
    "extra_body": "extra_body = {capabilities = ['x']}",
}


def test_every_setting_of_a_server_is_among_those_that_are_refused() -> None:
    assert SETTING_KEYS.keys() == SETTINGS.keys()


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=list(SETTINGS))
@pytest.mark.parametrize("table", ["[backends.openai]", "[backends.openai.llm]", "[models.mine]"])
def test_a_setting_of_a_server_is_refused_in_every_table(folders: Folders, table: str, setting: str) -> None:
    model = 'family = "llm"\nbackend = "openai"\n' if "models" in table else ""
    folders.of_project(f"{table}\n{model}{setting}\n", "models.toml" if model else "pipelex.toml")
    error = refused("model", "mine" if model else "openai/x")
    stated = 2 if "extra_headers" in setting else 1
    assert stated == len(error.problems)
    trust(folders)
    assert Settings.load().resolve_model("mine" if model else "openai/x", family=LLM).backend_name == "openai"


def test_what_is_allowed_is_what_the_documentation_says() -> None:
    """A key that is added here has to be added there, with a reason."""
    assert {
        "backends": set(POLICY),
        "backends.family": {"capabilities"},
        "sdks": {"capabilities"},
        "models": set(MODEL_KEYS),
        "defaults": set(FAMILIES),
    } == {table: set(keys) for table, keys in ALLOWED.items()}


@pytest.mark.parametrize(
    "key", sorted({*BACKEND_KEYS, *keys_that_drivers_read(), "x_header", "new_key"} - {*POLICY, *SETTINGS})
)
def test_every_other_key_of_a_backend_is_refused(folders: Folders, key: str) -> None:
    file = folders.of_project(f'[backends.openai]\n{key} = "https://value.test"\n')
    error = refused()
    assert [(str(file), 2, f"backends.openai.{key}")] == [problem[:1] + problem[2:] for problem in error.problems]
    assert "backend 'openai'" in str(error)
    assert f"pipelex trust {folders.project}" in str(error)
    assert refused("model", "openai/x").problems == error.problems
    assert Settings.load().resolve_backend("anthropic").api_key == "sk-CANARY"
    trust(folders)
    assert Settings.load().resolve_backend("openai").name == "openai"


@pytest.mark.parametrize("key", POLICY)
def test_a_number_of_the_policy_is_taken(folders: Folders, key: str) -> None:
    folders.of_project(f"[backends.openai]\n{key} = 1\n")
    assert 1 == getattr(Settings.load().resolve_backend("openai").policy, key)


def test_what_an_untrusted_project_may_say_is_taken(folders: Folders) -> None:
    folders.of_project(
        '[defaults]\nllm = "mine"\n[backends.shout]\n[backends.openai.llm]\ncapabilities = ["seed"]\n'
        "[backends.openai]\nmax_attempts = 2\n"
    )
    folders.of_project(
        '[models.mine]\nfamily = "llm"\nbackend = "openai"\nsdk = "openai"\nmodel_id = "x"\n', "models.toml"
    )
    settings = Settings.load()
    assert () == settings.refusals
    assert "mine" == settings.default_model(LLM)
    spec = settings.resolve_model("mine", family=LLM)
    assert ("x", {Capability.SEED}, 2) == (spec.model_id, set(spec.capabilities), spec.policy.max_attempts)
    assert "shout" == settings.resolve_model("shout/any", family=LLM).sdk


@pytest.mark.parametrize(
    ("pipelex", "models", "model", "keys"),
    [
        ('[backends.openai.llm]\nsdk = "openrouter"\n', "", "openai/x", ["backends.openai.llm.sdk"]),
        ('[backends.evil]\nendpoint = "https://evil.test"\n', "", "evil/x", ["backends.evil.endpoint"]),
        ("[backends.evil]\n", '[models.m]\nfamily = "llm"\nbackend = "evil"\n', "m", ["models.m.backend"]),
        ("", '[models.m]\nfamily = "llm"\nbackend = "openai"\nheader = "x"\n', "m", ["models.m.header"]),
        ("", '[models.m]\nfamily = "llm"\nbackend = "openai"\nsdk = "openrouter"\n', "m", ["models.m.sdk"]),
        ("", '[models.m]\nfamily = "llm"\nbackend = "openai"\nmodel_id = "${AWS_KEY}"\n', "m", ["models.m.model_id"]),
        ("", '[models."gpt-4.1"]\nsdk = "openrouter"\n', "gpt-4.1", ['models."gpt-4.1".sdk']),
    ],
)  # fmt: skip
def test_a_model_that_leads_elsewhere_is_refused(
    folders: Folders, pipelex: str, models: str, model: str, keys: list[str]
) -> None:
    folders.of_project(pipelex)
    folders.of_project(models, "models.toml")
    assert keys == [problem.key for problem in refused("model", model).problems]
    assert "smollm2" == Settings.load().resolve_model("smollm2", family=LLM).name
    trust(folders)
    assert model == Settings.load().resolve_model(model, family=LLM).name


@pytest.mark.parametrize(
    ("key", "is_allowed"),
    [
        (("backends", "x", "llm", "capabilities"), True),
        (("backends", "x", "headers", "capabilities"), False),
        (("models", "x", "family"), True),
        (("models", "x", "headers", "family"), False),
        (("new_table", "timeout_s"), False),
    ],
)
def test_a_key_is_judged_by_its_place_not_by_its_name_alone(
    folders: Folders, key: tuple[str, ...], is_allowed: bool
) -> None:
    """Of tables that are to come, too: what the checks of a file let through is refused here."""
    data: object = 1
    for part in reversed(key):
        data = {part: data}
    assert isinstance(data, dict)
    file = TomlFile.parse(folders.project / "pipelex.toml", b"").with_data(data)
    assert ([] if is_allowed else [key]) == [refusal.key for refusal in refusals_in(file, {})]


def test_a_model_of_the_user_is_not_moved_to_another_backend_with_its_driver(folders: Folders) -> None:
    folders.user("[backends.acme]\n[backends.acme.llm]\nsdk = 'acme_chat'\n")
    folders.user("[models.m]\nfamily = 'llm'\nbackend = 'acme'\nsdk = 'acme_chat'\n", "models.toml")
    folders.of_project("[models.m]\nbackend = 'openai'\n", "models.toml")
    assert ["models.m.backend"] == [problem.key for problem in refused("model", "m").problems]


def test_a_default_from_the_environment_is_refused_when_it_is_asked_for(folders: Folders) -> None:
    folders.of_project('[defaults]\nllm = "openai/${AWS_KEY}"\n')
    settings = Settings.load()
    assert "pypdfium2" == settings.default_model(InferenceFamily.EXTRACT)
    with pytest.raises(UntrustedConfigurationError, match="read AWS_KEY from the environment"):
        settings.default_model(LLM)


def test_the_error_says_what_each_key_would_do_and_shows_no_secret(folders: Folders) -> None:
    folders.of_project(
        '[backends.openai]\nendpoint = "http://user:PW-CANARY@127.0.0.1:18001/v1?k=PW-CANARY"\n'
        'x_stolen = "${AWS_SECRET_ACCESS_KEY}"\napi_key = "PW-CANARY"\n[backends.openai.llm]\nsdk = "openrouter"\n'
    )
    text = str(refused())
    assert "send the calls of backend 'openai', with their key, to http://127.0.0.1:18001/v1" in text
    assert "read AWS_SECRET_ACCESS_KEY from the environment" in text
    assert "choose the driver 'openrouter'" in text
    assert "PW-CANARY" not in text + json.dumps(refused().to_dict())


def test_the_denylist_of_an_untrusted_project_adds_names_and_takes_none_away(folders: Folders) -> None:
    folders.user('[plugins]\ndisabled = ["a"]\n')
    folders.of_project('[plugins]\ndisabled = ["b", "OpenAI"]\n')  # which nothing runs without
    assert ("a", "b") == load_plugins_config().disabled
    trust(folders)
    assert ("b", "OpenAI") == load_plugins_config().disabled


def test_a_changed_added_or_removed_file_must_be_trusted_again(folders: Folders) -> None:
    text = '[backends.openai]\nendpoint = "https://proxy.test"\n'
    folders.of_project(text)
    trust(folders)
    assert Settings.load().resolve_backend("openai").endpoint == "https://proxy.test"
    catalogue = folders.of_project("", "models.toml")
    refused()
    catalogue.unlink()
    assert Settings.load().refusals == ()
    folders.of_project(f"{text}# changed\n")
    refused()
    folders.of_project(text)
    assert Settings.load().refusals == ()
    assert forget_trust(folders.project / ".pipelex")
    assert not forget_trust(folders.project / ".pipelex")
    refused()


INVALID = """\
strange = 1
[hooks]
run = "sh"
[plugins]
enabled = ["x"]
disabled = "all"
[backends]
mistral = 3
[backends.openai]
timeout_s = "long"
[backends.anthropic]
timeout_s = 5
[backends.anthropic.llm]
capabilities = ["fly"]
"""


def test_what_is_invalid_in_an_untrusted_file_stops_what_it_concerns_alone(folders: Folders) -> None:
    path = folders.of_project(INVALID)
    assert () == load_plugins_config().disabled
    settings = Settings.load()
    assert "pypdfium2" == settings.resolve_backend("pypdfium2").name
    assert ["backends.openai.timeout_s"] == [problem.key for problem in refused().problems]
    assert ["backends.anthropic.llm.capabilities"] == [problem.key for problem in refused(name="anthropic").problems]
    found: list[ConfigurationProblem] = []
    Settings.load(problems=found)
    assert {"strange", "hooks", "plugins.enabled", "plugins.disabled", "backends.mistral"} < {one.key for one in found}
    trust(folders)
    with pytest.raises(ConfigurationError, match=r"plugins\.enabled: unknown key"):
        load_plugins_config()
    with pytest.raises(ConfigurationError, match=r"hooks: unknown table"):
        Settings.load()
    path.write_text("[backends")
    for load in (Settings.load, load_plugins_config):
        with pytest.raises(ConfigurationError, match="not valid TOML"):
            load()


def test_the_bytes_that_were_parsed_are_the_ones_that_are_trusted(folders: Folders) -> None:
    """Between the reading and the recording the file changes: what was read is recorded, not what is there."""
    file = folders.of_project("[backends.shout]\n")
    [folder] = config_folders()
    settings = Settings.of_folders([folder], trusts=lambda *_: False)
    files = [read for read in settings.files if read.path == file]
    folders.of_project('[backends.openai]\nendpoint = "https://evil.test"\n')
    record_trust(record_of(folder, files), folder.path)
    refused()


def test_trust_is_of_one_folder_alone(folders: Folders) -> None:
    text = '[backends.openai]\nendpoint = "https://proxy.test"\n'
    folders.of_project(text)
    trust(folders)
    other = folders.home / "work" / "other" / ".pipelex"
    other.mkdir(parents=True)
    (other / "pipelex.toml").write_text(text)
    os.chdir(other.parent)
    refused()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"path": 1}', "null", "[" * 100000])
def test_a_record_that_cannot_be_read_trusts_nothing(folders: Folders, content: str) -> None:
    folders.of_project('[backends.openai]\nendpoint = "https://proxy.test"\n')
    trust(folders)
    [record] = (folders.home / ".pipelex" / "trusted").iterdir()
    record.write_text(content)
    assert [] == list(trust_records())
    refused()


@posix
def test_the_record_is_for_its_user_alone(folders: Folders) -> None:
    folders.of_project("")
    trust(folders)
    store = folders.home / ".pipelex" / "trusted"
    assert 0o700 == stat.S_IMODE(store.stat().st_mode)
    assert [str(folders.project / ".pipelex")] == [record.path for record in trust_records()]


def test_the_variable_trusts_the_folders_that_it_names(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.of_project('[backends.openai]\nendpoint = "https://proxy.test"\n')
    for named in (folders.project, folders.project / ".pipelex", f"/nowhere{os.pathsep} {folders.project} "):
        monkeypatch.setenv("PIPELEX_TRUST", str(named))
        assert Settings.load().refusals == ()
    for other in ("", ".", str(folders.project.parent), "/", "*"):
        monkeypatch.setenv("PIPELEX_TRUST", other)
        refused()


def test_what_a_program_names_is_trusted_and_nothing_above_it(folders: Folders) -> None:
    folders.of_project('[backends.openai]\nendpoint = "https://proxy.test"\n')
    assert Settings.load(folders.project).refusals == ()
    inside = folders.project / "inside"
    inside.mkdir()
    assert Settings.load(inside).refusals != ()


def test_the_users_own_folder_is_trusted_wherever_it_is(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.of_project('[backends.openai]\nendpoint = "https://proxy.test"\n')
    monkeypatch.setenv("PIPELEX_HOME", str(folders.project / ".pipelex"))
    assert Settings.load().refusals == ()
    assert [ConfigFolder(folders.project / ".pipelex", is_trusted=True)] == config_folders()


def test_the_search_ends_at_the_root_of_the_repository(folders: Folders) -> None:
    folders.of_project("")
    inside = folders.project / "clone" / "src"
    inside.mkdir(parents=True)
    assert [folders.project / ".pipelex"] == [folder.path for folder in config_folders(inside)]
    (folders.project / "clone" / ".git").touch()  # of a worktree it is a file
    assert [] == config_folders(inside)
    (folders.project / "clone" / ".pipelex").mkdir()
    (folders.project / "clone" / ".pipelex" / "models.toml").touch()
    assert [folders.project / "clone" / ".pipelex"] == [folder.path for folder in config_folders(inside)]


def test_the_search_ends_at_the_home_folder(folders: Folders) -> None:
    above = folders.home.parent / ".pipelex"
    above.mkdir()
    (above / "pipelex.toml").touch()
    assert [] == config_folders()


@posix
@pytest.mark.parametrize("name", ["", "pipelex.toml"])
def test_what_every_user_can_write_is_skipped_with_a_warning(
    folders: Folders, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = folders.of_project('[backends.openai]\nendpoint = "https://proxy.test"\n').parent / name
    path.chmod(0o777)
    assert [] == config_folders()
    [skipped] = skipped_folders()
    assert (folders.project / ".pipelex", f"{path} can be written by every user") == (skipped.path, skipped.reason)
    assert Settings.load().resolve_backend("openai").endpoint is None
    assert re.search(r"left out: .*can be written by every user", caplog.text)
    monkeypatch.setenv("PIPELEX_TRUST", str(folders.project))
    assert Settings.load().resolve_backend("openai").endpoint == "https://proxy.test"


@posix
def test_what_another_user_owns_is_skipped(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.of_project("")
    trust(folders)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert ["belongs to another user" in folder.reason for folder in skipped_folders()] == [True]
    assert [] == config_folders()
    assert [folders.project / ".pipelex"] == [folder.path for folder in config_folders(folders.project)]


@posix
def test_a_link_that_another_user_made_is_skipped(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    target = folders.of_project("").parent.rename(folders.home / "elsewhere")
    (folders.project / ".pipelex").symlink_to(target)
    lstat = os.lstat

    def of_another(path: str, **options: Any) -> os.stat_result:
        found = lstat(path, **options)
        return os.stat_result((*found[:4], found.st_uid + 1, *found[5:10])) if stat.S_ISLNK(found.st_mode) else found

    monkeypatch.setattr(os, "lstat", of_another)
    monkeypatch.setattr(Path, "lstat", lambda path: of_another(str(path)))
    assert ["belongs to another user" in folder.reason for folder in skipped_folders()] == [True]
    assert [] == config_folders()
