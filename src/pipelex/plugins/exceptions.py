"""What can go wrong between a plugin and the system: each error names the plugin and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipelex.exceptions import PipelexError

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import PartialAnswer

__all__: list[str] = []


class PluginError(PipelexError):
    """The root of the errors of plugin discovery, registration and lookup."""


class PluginApiVersionMismatchError(PluginError):
    """A plugin was written against another version of the plugin API.

    Args:
        plugin_name: The plugin.
        targets_api: The version that it targets.
        supported_api: The one version that this installation supports.
    """

    def __init__(self, *, plugin_name: str, targets_api: int, supported_api: int) -> None:
        self.plugin_name = plugin_name
        self.targets_api = targets_api
        self.supported_api = supported_api
        if targets_api < supported_api:
            from pipelex.spi.changes import summary

            told = summary(targets_api, supported_api)
            way_out = (
                f"install a release of '{plugin_name}' that targets {supported_api} (its author gets there with "
                f"'pipelex plugins upgrade FOLDER --to {supported_api} --write')"
            )
        else:
            told = ""
            way_out = f"upgrade pipelex to a release that supports {targets_api}"
        super().__init__(
            f"Plugin '{plugin_name}' targets plugin API version {targets_api}; this installation supports "
            f'{supported_api}. {told}{" " if told else ""}Either {way_out}, or disable it: add "{plugin_name}" to '
            "plugins.disabled in .pipelex/pipelex.toml."
        )


def _way_out(first_plugin: str, second_plugin: str, rename: str) -> str:
    """Return what to do about two claims; one plugin that claims twice cannot be disabled against itself."""
    if first_plugin == "pipelex":
        return "It is a command of pipelex itself: give the plugin's command another name."
    if first_plugin == second_plugin:
        return "It is the same plugin: take one of the two calls out of its 'register'."
    return f"Disable one of them in plugins.disabled, or {rename}."


class DuplicateInferenceBackendError(PluginError):
    """Two plugins, or one plugin twice, claim the same ``(family, sdk)``.

    Args:
        family: The family, by value.
        sdk: The sdk claimed twice.
        first_plugin: Who holds it.
        second_plugin: Who claims it too.
    """

    def __init__(self, *, family: str, sdk: str, first_plugin: str, second_plugin: str) -> None:
        self.family = family
        self.sdk = sdk
        self.first_plugin = first_plugin
        self.second_plugin = second_plugin
        super().__init__(
            f"Two claims on the inference backend (family '{family}', sdk '{sdk}'): plugin {first_plugin} holds it, "
            f"plugin {second_plugin} registers it too. {_way_out(first_plugin, second_plugin, 'rename its sdk')}"
        )


class DuplicateModelListerError(PluginError):
    """Two plugins, or one plugin twice, register a model lister for the same sdk.

    Args:
        sdk: The sdk claimed twice.
        first_plugin: Who holds it.
        second_plugin: Who claims it too.
    """

    def __init__(self, *, sdk: str, first_plugin: str, second_plugin: str) -> None:
        self.sdk = sdk
        self.first_plugin = first_plugin
        self.second_plugin = second_plugin
        super().__init__(
            f"Two model listers for sdk '{sdk}': plugin {first_plugin} holds it, plugin {second_plugin} registers "
            f"one too. {_way_out(first_plugin, second_plugin, 'give one another sdk')}"
        )


class DuplicateCommandError(PluginError):
    """Two plugins contribute a command of the same name, or one shadows a core command.

    Args:
        name: The command.
        first_plugin: Who holds it; ``"pipelex"`` where it is a core command.
        second_plugin: Who claims it too.
    """

    def __init__(self, *, name: str, first_plugin: str, second_plugin: str) -> None:
        self.name = name
        self.first_plugin = first_plugin
        self.second_plugin = second_plugin
        super().__init__(
            f"Two claims on the command 'pipelex {name}': {first_plugin} holds it, plugin {second_plugin} "
            f"contributes it too. {_way_out(first_plugin, second_plugin, 'rename the command')}"
        )


class DuplicatePluginError(PluginError):
    """Two plugins bear the same name, in any spelling of it.

    Args:
        name: The name, in its canonical spelling.
        first_plugin: Who holds it, with distribution and version.
        second_plugin: Who claims it too, with distribution and version.
    """

    def __init__(self, *, name: str, first_plugin: str, second_plugin: str) -> None:
        self.name = name
        self.first_plugin = first_plugin
        self.second_plugin = second_plugin
        is_one = first_plugin.partition(" (")[2] == second_plugin.partition(" (")[2]  # uninstalling takes both away
        fix = "Give one of them another name" if is_one else "Uninstall one of them"
        super().__init__(
            f"Two plugins are called '{name}': {first_plugin} and {second_plugin}. "
            f"{fix}: names are compared without regard to case, '-', '_' and '.'."
        )


class CoreUnconditionalPluginDisabledError(PluginError):
    """The denylist names a plugin without which the system does not run.

    Args:
        plugin_name: The core-unconditional plugin.
    """

    def __init__(self, *, plugin_name: str) -> None:
        self.plugin_name = plugin_name
        super().__init__(
            f"Plugin '{plugin_name}' is core-unconditional and cannot be disabled. "
            f'Remove "{plugin_name}" from plugins.disabled in .pipelex/pipelex.toml.'
        )


class BrokenPluginError(PluginError):
    """An installed plugin's own code, or its metadata, failed: as it was loaded or registered, or in its make_worker.

    The failure itself is the ``__cause__``. Our own named errors are never wrapped in it.

    Args:
        plugin_name: The plugin, by its entry-point name.
        phase: Where it failed: reading its metadata, loading it, in its ``register`` or in its ``make_worker``.
        reason: What it raised.
        distribution: The distribution that brings it, where known.
    """

    def __init__(
        self,
        *,
        plugin_name: str,
        phase: Literal["metadata", "load", "register", "make_worker"],
        reason: str,
        distribution: str | None = None,
    ) -> None:
        self.plugin_name = plugin_name
        self.phase = phase
        self.reason = reason
        self.distribution = distribution
        origin = f" (distribution {distribution})" if distribution else ""
        super().__init__(
            f"Plugin '{plugin_name}'{origin} is broken: it failed in phase '{phase}': {reason}. Fix or uninstall it, "
            f'or disable it: add "{plugin_name}" to plugins.disabled in .pipelex/pipelex.toml.'
        )


class InvalidContributionError(PluginError):
    """A plugin is not of the shape of the contract, or contributes or returns something that is not.

    Args:
        plugin_name: The plugin.
        what: The part at fault (``"targets_api"``, ``"make_worker of (llm, acme)"``, ``"_gen_text of AcmeLLMWorker"``).
        expected: What the contract asks for.
        got: What came.
        answer: What is known of the answer, where a model call failed of this.
    """

    def __init__(
        self, *, plugin_name: str, what: str, expected: str, got: str, answer: PartialAnswer | None = None
    ) -> None:
        self.plugin_name = plugin_name
        self.what = what
        self.expected = expected
        self.got = got
        self.answer = answer
        super().__init__(
            f"Plugin '{plugin_name}': {what} is not what the contract asks for: expected {expected}, got {got}."
        )


class WrongWorkerFamilyError(PluginError):
    """A plugin's ``make_worker`` returned something else than a worker of the family it is registered for.

    Args:
        plugin_name: The plugin.
        family: The family, by value.
        sdk: The sdk.
        expected: The worker base of the family.
        returned: The class of what came.
    """

    def __init__(self, *, plugin_name: str, family: str, sdk: str, expected: type, returned: type) -> None:
        self.plugin_name = plugin_name
        self.family = family
        self.sdk = sdk
        self.expected = expected
        self.returned = returned
        super().__init__(
            f"Plugin '{plugin_name}' registered sdk '{sdk}' for the family '{family}', but its make_worker returned "
            f"{returned.__module__}.{returned.__qualname__}, which is not a {expected.__qualname__}."
        )


class InferenceBackendNotFoundError(PluginError, NotImplementedError):
    """No plugin serves this ``(family, sdk)``.

    Args:
        family: The family, by value.
        sdk: The sdk that was asked for.
        nearby: What is registered that resembles it, as ``"family/sdk"``, nearest first.
    """

    def __init__(self, *, family: str, sdk: str, nearby: tuple[str, ...]) -> None:
        self.family = family
        self.sdk = sdk
        self.nearby = nearby
        near = f" Registered nearby: {', '.join(nearby)}." if nearby else ""
        super().__init__(
            f"No inference backend for family '{family}' and sdk '{sdk}'. Is its plugin installed and enabled?{near} "
            "'pipelex plugins list' shows what is."
        )
