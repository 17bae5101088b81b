"""Support for former enumerations: access to a member emits a warning and returns a string."""

from __future__ import annotations

import warnings
from typing import Any


class DeprecatedNames(type):
    """Metaclass of former enumerations, whose members are deprecated names for strings.

    For ``class Endian(metaclass=DeprecatedNames, names=("little", "big"))``, the expression
    ``Endian.big`` emits a `DeprecationWarning` and returns ``"big"``. Iteration over the class is
    not supported.
    """

    _names: tuple[str, ...]

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], names: tuple[str, ...]
    ) -> DeprecatedNames:
        cls = super().__new__(mcs, name, bases, namespace)
        cls._names = names
        return cls

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        super().__init__(name, bases, namespace)

    def __getattr__(cls, name: str) -> str:
        if name.startswith("_") or name not in cls._names:
            raise AttributeError(f"{cls.__name__} has no member {name!r}.")
        warnings.warn(
            f"{cls.__name__}.{name} is deprecated; pass the string {name!r} instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return name
