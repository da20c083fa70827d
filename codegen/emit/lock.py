"""Emits ``spi.lock``: the contract, the built-ins and the outputs as digests that a reviewer can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codegen.digest import code_meaning, digest, meaning
from codegen.emit.stubs import code_of
from codegen.render import quote, template
from codegen.unshown import unshown_defaults
from pipelex.spi.python_text import imports

if TYPE_CHECKING:
    from codegen.contract import Contract, PublishedModule
    from codegen.spec import Builtin, Spec

_WORD = re.compile(r"\w+")


def emit(contract: Contract, outputs: dict[str, str], *, stub_folder: str, frozen: bool = True) -> str:
    """Render the lock.

    Args:
        contract: The contract.
        outputs: The rendered files by path, without those that are prose.
        stub_folder: The folder of the stub tree, which counts as one output.
        frozen: Whether it lists the frozen versions. The lock that is frozen with one does not: it cannot hold
            its own digest.
    """
    spec = contract.spec_file.spec
    return template("spi.lock.j2").render(
        spec=spec,
        extras=_array(sorted(spec.extras)),
        contributions=_array(sorted(spec.contributions)),
        configuration=_array(sorted(spec.configuration)),
        open_enums=_array(sorted(spec.open_enums())),
        unshown_defaults=_array(sorted(unshown_defaults(contract))),
        frozen=[(f"{row.number}.{row.revision}", row.digest) for row in spec.version] if frozen else [],
        families=[(family.name, f"{family.value} {family.worker}") for family in sorted(spec.family, key=_by_name)],
        symbols=[(reference, symbol_digest(contract, reference)) for reference in sorted(spec.symbols)],
        builtins=[_builtin(spec, builtin) for builtin in sorted(spec.builtin, key=_by_name)],
        outputs=sorted(_outputs(outputs, stub_folder).items()),
    )


def _by_name(item: object) -> str:
    return str(getattr(item, "name", ""))


def symbol_digest(contract: Contract, reference: str) -> str:
    """Return the digest of a published symbol's signature, with all that its names refer to.

    Args:
        contract: The contract.
        reference: The symbol, as ``module:name``.
    """
    module, _, name = reference.partition(":")
    return digest(_signature(contract.modules[module], name))


def _signature(module: PublishedModule, name: str) -> str:
    code = code_meaning(code_of(module.symbols[name]))
    words = set(_WORD.findall(code))
    helpers = [code_meaning(code_of(helper)) for word, helper in sorted(module.helpers.items()) if word in words]
    origins = [reference for word, reference in module.used.items() if word in words]
    return "\n".join([imports(origins), *helpers, code])


def _builtin(spec: Spec, builtin: Builtin) -> list[tuple[str, str]]:
    """List what a built-in contributes and needs, as lines of TOML."""
    backends = sorted(f"{spec.family_named(row.family).value}/{row.sdk}" for row in builtin.workers)
    lines = [
        ("name", quote(builtin.name)),
        ("core_unconditional", str(builtin.core_unconditional).lower()),
        ("backends", _array(backends)),
        ("listers", _array(sorted(builtin.lister.sdks) if builtin.lister else [])),
        ("commands", _array(sorted(command.name for command in builtin.commands))),
        ("imports", _array([needed.import_name for needed in builtin.requires])),
        ("requirements", _array([needed.requirement for needed in builtin.requires])),
    ]
    return [*lines, ("extra", quote(builtin.extra))] if builtin.extra else lines


def _array(items: list[str]) -> str:
    return f"[{', '.join(quote(item) for item in items)}]"


def _outputs(outputs: dict[str, str], stub_folder: str) -> dict[str, str]:
    stubs = {path: text for path, text in outputs.items() if path.startswith(f"{stub_folder}/")}
    tree = "\n".join(f"{path}\n{meaning(path, text)}" for path, text in sorted(stubs.items()))
    found = {f"{stub_folder}/": digest(tree)}
    found.update({path: digest(meaning(path, text)) for path, text in outputs.items() if path not in stubs})
    return found
