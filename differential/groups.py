"""Cases that create groups with members, look members up, and consolidate metadata."""

from __future__ import annotations

from typing import Any

from differential.attributes import draw_attribute_step, draw_attributes
from differential.choices import Choices
from differential.elements import draw_array, draw_elements

Step = dict[str, Any]
Case = dict[str, Any]

_PATHS = ("a", "b", "a/b", "a/c", "b/a", "a/b/c", "/a", "a/", "a//b")
_ODD_PATHS = ("", "..", "a/../b", "./a", "zarr.json", "a b", "ü", "__x", "A")
READS = (
    "sorted({g}.keys())",
    "sorted(key for key, _ in {g}.members())",
    "sorted(key for key, _ in {g}.members(max_depth=None))",
    "sorted((key, type(node).__name__, node.path) for key, node in {g}.members(max_depth=1))",
    "{g}.nmembers(max_depth=None)",
    "[len({g}), {g}.nmembers(), sorted({g}.array_keys()), sorted({g}.group_keys())]",
    "sorted((key, node.shape) for key, node in {g}.arrays())",
    "sorted((key, node.attrs.asdict() == {{}}) for key, node in {g}.groups())",
    "{g}.metadata.to_dict()",
    "sorted({g}.metadata.consolidated_metadata.flattened_metadata)",
    "[repr({g}), {g}.name, {g}.path, {g}.basename, {g}.read_only, str({g}.info)]",
    "str({g}.info_complete())",
    "sorted({g})",
    "sorted(node.path for node in {g}.array_values())",
    "sorted(node.path for node in {g}.group_values())",
    "{g}.members(max_depth=-1)",
)
OPENERS = (
    "g = zarr.open_group(store, mode='r')",
    "g = zarr.open_group(store, mode='r+')",
    "g = zarr.open_group(store)",
    "g = zarr.open(store, mode='r')",
    "g = zarr.open(store, mode='a')",
    "g = zarr.open_group(store, use_consolidated=False)",
    "g = zarr.open_group(store, use_consolidated=True)",
    "g = zarr.open_consolidated(store)",
    "g = zarr.open_group(store, path={path!r}, mode='r')",
    "g = zarr.open(store, path={path!r}, mode='r+')",
    "zarr.open_array(store, path={path!r})",
    "g = zarr.open_group(store, mode='a', path={path!r})",
    "zarr.open_group(store, zarr_format={other})",
    "g = zarr.open_group(store, mode='w')",
    "zarr.open_group(store, mode='w-')",
    "g = zarr.group(store)",
    "zarr.load(store, path={path!r})",
    "zarr.Group.open(store, zarr_format={format})",
    "zarr.open_group(store, mode='x')",
)


class GroupBuilder:
    """Draws the steps of one case.

    Parameters
    ----------
    choices : Choices
        Source of the random choices.
    zarr_format : {2, 3}
        Format of the root group.
    """

    def __init__(self, choices: Choices, zarr_format: int) -> None:
        self.choices = choices
        self.zarr_format = zarr_format
        self.steps: list[Step] = []
        self.read_only = False

    def build(self) -> Case:
        """Draw all steps and return the case."""
        choices = self.choices
        self._root()
        for _ in range(choices.between(2, 10)):
            self._step()
        for code in (
            "sorted((key, type(node).__name__) for key, node in"
            " zarr.open_group(store, mode='r').members(max_depth=None))",
            "sorted((key, node[...].tolist()) for key, node in"
            " zarr.open_group(store, mode='r').arrays())",
        ):
            self.steps.append({"op": "members", "code": code, "final": True})
        return {"kind": f"group-v{self.zarr_format}", "config": {}, "steps": self.steps}

    def _path(self) -> str:
        choices = self.choices
        return choices.pick(_ODD_PATHS if choices.chance(4) else _PATHS)

    def _attributes(self) -> str:
        return f", attributes={draw_attributes(self.choices)}" if self.choices.chance(30) else ""

    def _root(self) -> None:
        function = self.choices.pick(("create_group", "group", "open_group"))
        code = f"g = zarr.{function}(store, zarr_format={self.zarr_format}{self._attributes()})"
        self.steps.append({"op": "create", "code": code, "needed": True})

    def _array_options(self) -> str:
        """Draw the arguments that create a small array."""
        choices = self.choices
        elements = draw_elements(choices)
        shape = tuple(choices.between(1, 4) for _ in range(choices.pick((1, 2, 0))))
        if choices.chance(40):
            options = [f"data={draw_array(choices, elements, shape)}"]
        else:
            options = [f"shape={shape}", f"dtype={elements.dtype}"]
        if choices.chance(40):
            options.append(f"chunks={tuple(choices.between(1, n) for n in shape)}")
        if choices.chance(15):
            options.append(f"fill_value={choices.pick(elements.values)}")
        if choices.chance(25):
            options.append(f"attributes={draw_attributes(choices)}")
        return ", ".join(options)

    def _step(self) -> None:
        choices = self.choices
        kind = choices.weighted(
            (
                (24, "add"),
                (8, "require"),
                (26, "members"),
                (7, "item"),
                (2, "change"),
                (5, "delete"),
                (7, "attributes"),
                (8, "consolidate"),
                (9, "open"),
                (4, "hierarchy"),
                (4, "whole"),
            )
        )
        if kind == "attributes" and self.read_only:
            kind = "members"
        if kind == "attributes":
            node = choices.pick(("g", f"g[{self._path()!r}]"))
            step = draw_attribute_step(choices, node)
            # Assign the updated node to a variable, not to ``g[path]``, because an assignment to
            # ``g[path]`` creates an array.
            step["code"] = (
                str(step["code"]).replace(f"{node} = ", "node = ") if node != "g" else step["code"]
            )
            self.steps.append(step)
            return
        code = getattr(self, f"_{kind}")()
        self.steps.append({"op": kind, "code": code})

    def _add(self) -> str:
        choices, path = self.choices, repr(self._path())
        overwrite = ", overwrite=True" if choices.chance(15) else ""
        kind = choices.weighted(
            ((40, "array"), (30, "group"), (6, "filled"), (6, "assign"), (8, "outer"))
        )
        if kind == "array":
            return f"g.create_array({path}, {self._array_options()}{overwrite})"
        if kind == "group":
            return f"g.create_group({path}{self._attributes()}{overwrite})"
        if kind == "filled":
            function = choices.pick(("zeros", "ones", "empty", "full"))
            value = ", fill_value=3" if function == "full" else ""
            return f"g.{function}(name={path}, shape=(3,), dtype='i4'{value})"
        if kind == "assign":
            return f"g[{path}] = {draw_array(choices, draw_elements(choices), (3,))}"
        return choices.pick(
            (
                f"zarr.create_array(store, name={path}, {self._array_options()}{overwrite})",
                f"zarr.create_group(store, path={path}, zarr_format={self.zarr_format}{overwrite})",
                f"zarr.create_group(store, path={path}, zarr_format={5 - self.zarr_format})",
                f"zarr.save_array(store, np.arange(3), path={path}, zarr_format={self.zarr_format})",
            )
        )

    def _require(self) -> str:
        path = repr(self._path())
        return self.choices.pick(
            (
                f"g.require_group({path})",
                f"g.require_array({path}, shape=(3,), dtype='i4')",
                f"g.require_array({path}, shape=(3,), dtype='i2', exact=True)",
                f"g.require_groups({path}, 'c')",
                f"g.require_group({path}, overwrite=True)",
            )
        )

    def _members(self) -> str:
        node = self.choices.weighted(((75, "g"), (25, f"g[{self._path()!r}]")))
        return self.choices.pick(READS).format(g=node)

    def _item(self) -> str:
        path = repr(self._path())
        return self.choices.pick(
            (
                f"g[{path}]",
                f"{path} in g",
                f"g.get({path}, 'nothing')",
                f"g[{path}][...]",
                f"g.get_array({path})",
                f"g.get_group({path})",
                f"g[{path}].metadata.to_dict()",
            )
        )

    def _change(self) -> str:
        path = repr(self._path())
        return self.choices.pick((f"g[{path}][...] = 1", f"g[{path}].resize((5,))"))

    def _delete(self) -> str:
        path = repr(self._path())
        return self.choices.pick((f"del g[{path}]", f"g.move({path}, 'moved')", f"del g[{path}]"))

    def _consolidate(self) -> str:
        choices, path = self.choices, repr(self._path())
        return choices.weighted(
            (
                (50, "g = zarr.consolidate_metadata(store)"),
                (15, f"zarr.consolidate_metadata(store, path={path})"),
                (10, f"zarr.consolidate_metadata(store, zarr_format={choices.pick((3, 2))})"),
                (
                    15,
                    f"zarr.consolidate_metadata(store, path={path}, zarr_format={self.zarr_format})",
                ),
            )
        )

    def _open(self) -> str:
        opener = self.choices.pick(OPENERS)
        if opener.startswith("g = "):
            self.read_only = "mode='r'" in opener
        return opener.format(
            path=self._path(), format=self.zarr_format, other=self.choices.pick((3, 2))
        )

    def _hierarchy(self) -> str:
        choices = self.choices
        nodes = []
        for _ in range(choices.between(1, 3)):
            if choices.chance(50):
                array = f"zarr.create_array({{}}, shape=(2,), dtype='i4', zarr_format={self.zarr_format})"
                nodes.append(f"{self._path()!r}: {array}.metadata")
            else:
                group = (
                    f"zarr.create_group({{}}, zarr_format={self.zarr_format}{self._attributes()})"
                )
                nodes.append(f"{self._path()!r}: {group}.metadata")
        overwrite = ", overwrite=True" if choices.chance(25) else ""
        owner = choices.pick(
            (
                "g.create_hierarchy(",
                "zarr.create_hierarchy(store=zarr.storage.MemoryStore(store), nodes=",
            )
        )
        return f"sorted((key, type(node).__name__) for key, node in {owner}{{{', '.join(nodes)}}}{overwrite}))"

    def _whole(self) -> str:
        path = repr(self._path())
        return self.choices.pick(
            (
                f"zarr.save_group(store, np.arange(3), x=np.ones((2, 2)), path={path})",
                f"zarr.save(store, np.arange(3), path={path})",
                f"zarr.load(store, path={path})",
                f"zarr.open_like(np.zeros((2, 3)), {path}, store=store)",
                f"g.zeros_like(name={path}, data=np.ones(3))",
                f"zarr.full_like(np.zeros(2), store=store, path={path}, fill_value=4)",
                "g == zarr.open_group(store, mode='r')",
            )
        )
