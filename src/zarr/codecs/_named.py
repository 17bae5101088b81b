"""The JSON form of the built-in codecs: a name, and a configuration with the codec parameters."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from zarr.abc.metadata import Metadata
from zarr.core.common import parse_named_configuration

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.common import JSON


class NamedCodec(Metadata):
    """Mixin for codecs whose constructor takes the members of the configuration as parameters.

    A subclass sets the name of the codec in ``_name``. The JSON form follows the Zarr v3 core
    specification, "Extension points". ``_configuration_required`` tells whether `from_dict`
    requires a configuration.
    """

    _name: ClassVar[str]
    _configuration_required: ClassVar[bool] = True

    def _configuration(self) -> dict[str, JSON] | None:
        """Return the configuration to store; None to store only the name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_dict(self) -> dict[str, JSON]:
        """Return the JSON form of the codec, which is stored in array metadata.

        Returns
        -------
        dict
            A JSON object with the members ``name`` and ``configuration``. If `_configuration`
            returns None, the object has only the member ``name``.
        """
        configuration = self._configuration()
        if configuration is None:
            return {"name": self._name}
        return {"name": self._name, "configuration": configuration}

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Create a codec from its JSON form, which is stored in array metadata.

        Parameters
        ----------
        data : dict
            A JSON object with the members ``name`` and ``configuration``.

        Raises
        ------
        TypeError
            If `data` is not a JSON object, or its configuration has an unknown member.
        ValueError
            If `data` has the name of a different codec, if a required configuration is missing, or
            if a value in the configuration is out of range.
        """
        _, found = parse_named_configuration(
            data, cls._name, require_configuration=cls._configuration_required
        )
        members: dict[str, Any] = {} if found is None else found
        return cls(**members)
