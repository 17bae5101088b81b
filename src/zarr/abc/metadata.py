"""Base class of objects that are stored as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.common import JSON

__all__ = ["Metadata"]


@dataclass(frozen=True)
class Metadata:
    """Base class of dataclasses that can be converted to and from JSON.

    Subclasses add fields. A subclass overrides `to_dict` and `from_dict` if its JSON form is not an
    object with one member per field.
    """

    def to_dict(self) -> dict[str, JSON]:
        """Return the JSON form of this object.

        Returns
        -------
        dict
            A JSON object with one member per field. Nested `Metadata` objects are also converted to
            their JSON form.
        """
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make an instance from its JSON form.

        Parameters
        ----------
        data : dict
            JSON form of the instance, as returned by `to_dict`.
        """
        return cls(**data)


def _to_json(value: object) -> JSON:
    if isinstance(value, Metadata):
        return value.to_dict()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_to_json(item) for item in value]
    return cast("JSON", value)
