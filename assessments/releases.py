"""A bank is released once: its hash is written beside it where there is none, and never over another."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from assessments import bank as banks
from assessments.bank import Bank, BankError, Component, Subdomain, bank, read
from assessments.pools import pool_of

LEVELS = range(-2, 3)


class Part(msgspec.Struct, frozen=True):
    """How many items there are of a subdomain, by type and by level."""

    component: str
    subdomain: str
    items: int
    types: dict[str, int]
    levels: dict[str, int]


class Composition(msgspec.Struct, frozen=True):
    """What a bank is made of. `released`: the hash that is written beside it, empty where there is none."""

    version: str
    sha256: str
    released: str
    parts: list[Part]


class AlreadyReleased(Exception):
    """This bank is released already, and stays as it is. Put what you changed into a new version."""

    def __init__(self, version: str, sha256: str) -> None:
        super().__init__(f"Item bank {version} was released as {sha256}. {self.__doc__}")


def versions() -> list[str]:
    """Of all banks that there are, released or not, in their order."""
    found = (folder.name.removeprefix("bank-") for folder in banks.BANKS.glob("bank-*") if folder.is_dir())
    return sorted((version for version in found if version.isdecimal()), key=int)


def released() -> list[str]:
    """The versions that a sitting may be on, the one that new sittings take among them whether it is there or not."""
    return sorted({*filter(released_as, versions()), banks.CURRENT}, key=int)


def problems() -> Iterator[str]:
    """What stands against using each of these banks."""
    for version in released():
        try:
            bank(version)
        except (BankError, KeyError) as error:
            yield error.args[0]


def load_all() -> None:
    """Read them all now, and not while somebody waits. Raises BankError, and KeyError where the current one is gone."""
    for version in released():
        for component in bank(version).components:
            pool_of(component.name, version)


def composition(version: str) -> Composition:
    """Raises BankError, and KeyError for a version that there is not."""
    found = _read(version)
    parts = [_part(found, component, one) for component in found.components for one in component.subdomains]
    return Composition(version, found.sha256, released_as(version), parts)


def release(version: str) -> str:
    """Write the hash of a bank beside it, and return it. Raises BankError, KeyError, AlreadyReleased."""
    found, seal = _read(version), _seal(version)
    try:
        with seal.open("x", encoding="ascii") as file:  # never over an existing one
            file.write(f"{found.sha256}\n")
    except FileExistsError:
        raise AlreadyReleased(version, released_as(version)) from None
    return found.sha256


def released_as(version: str) -> str:
    """The hash that is written beside a bank; empty where there is none."""
    seal = _seal(version)
    return seal.read_text(encoding="ascii").strip() if seal.is_file() else ""


def _read(version: str) -> Bank:
    if version not in versions():
        raise KeyError(f"there is no item bank {version!r}")
    return read(_folder(version))


def _folder(version: str) -> Path:
    return banks.BANKS / f"bank-{version}"


def _seal(version: str) -> Path:
    return _folder(version) / "sha256"


def _part(of: Bank, component: Component, subdomain: Subdomain) -> Part:
    items = of.sheets[subdomain.name].items
    types = Counter(type(item).__name__.lower() for item in items)
    levels = Counter(item.level for item in items)
    return Part(
        component=component.name,
        subdomain=subdomain.name,
        items=len(items),
        types=dict(sorted(types.items())),
        levels={str(level): levels[level] for level in LEVELS},
    )
