"""The sample launchpad's contracts, compiled from contracts/*.vy as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import decode, encode
from msgspec import Struct

from openoutcry.errors import EngineError

_PACKAGED: Final = Path(__file__).parents[1] / "contracts"
_CHECKOUT: Final = Path(__file__).parents[3] / "contracts"


class Function(Struct, frozen=True):
    """How a function is called: 4 bytes, and the ABI types of what goes in and comes out."""

    selector: bytes
    takes: tuple[str, ...]
    returns: tuple[str, ...]


class Contract(Struct, frozen=True):
    """A compiled contract. `blueprint` is the code that puts it on a chain for others to copy."""

    code: bytes
    blueprint: bytes
    abi: tuple[dict[str, Any], ...]
    takes: tuple[str, ...]
    functions: dict[str, Function]

    def creation(self, *values: Any) -> bytes:
        """Return the data of the transaction that creates it with these constructor's values."""
        return self.code + encode(self.takes, values)

    def call(self, name: str, *values: Any) -> bytes:
        """Return the data of a call; addresses may be 20 bytes."""
        function = self.functions[name]
        return function.selector + encode(function.takes, values)

    def answer(self, name: str, data: bytes) -> tuple[Any, ...]:
        """Return what a call of that function has answered."""
        return decode(self.functions[name].returns, data)


class Contracts(Struct, frozen=True):
    """The two contracts of the sample launchpad."""

    launchpad: Contract
    token: Contract


def compile_contracts(folder: Path | None = None) -> Contracts:
    """Compile the contracts of a folder, those of the package by default; takes some seconds.

    Raises EngineError if there is no compiler or nothing to compile.
    """
    folder = folder or (_PACKAGED if _PACKAGED.is_dir() else _CHECKOUT)
    return Contracts(
        launchpad=compile_file(folder / "launchpad.vy"),
        token=compile_file(folder / "curve_token.vy"),
    )


def compile_file(path: Path) -> Contract:
    """Compile one contract. Raises EngineError if there is no compiler or no such file."""
    try:
        import vyper  # noqa: PLC0415 - 0.5 s, and only those who compile need to have it
    except ImportError:
        raise EngineError(
            "The sample launchpad is compiled by vyper, which is not installed:"
            " pip install 'openoutcry[launchpad]'"
        ) from None
    try:
        source = path.read_text()
    except OSError as error:
        raise EngineError(f"The sample launchpad's {path.name} cannot be read: {error}") from None
    made = vyper.compile_code(
        source,
        contract_path=path.name,
        output_formats=["abi", "bytecode", "blueprint_bytecode", "method_identifiers"],
    )
    abi = tuple(made["abi"])
    selectors = {
        name.split("(")[0]: bytes.fromhex(found[2:].zfill(8))
        for name, found in made["method_identifiers"].items()
    }
    return Contract(
        code=bytes.fromhex(made["bytecode"][2:]),
        blueprint=bytes.fromhex(made["blueprint_bytecode"][2:]),
        abi=abi,
        takes=next((_types(each["inputs"]) for each in abi if each["type"] == "constructor"), ()),
        functions={
            each["name"]: Function(
                selectors[each["name"]], _types(each["inputs"]), _types(each["outputs"])
            )
            for each in abi
            if each["type"] == "function"
        },
    )


def _types(parameters: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(each["type"] for each in parameters)
