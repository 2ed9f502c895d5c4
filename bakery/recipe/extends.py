"""Variants: a recipe laid over the one it extends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from bakery.text import did_you_mean
from bakery.yaml.location import TAG, error

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


def overlay(
    base: yaml.MappingNode, variant: yaml.MappingNode, merged: AbstractSet[str]
) -> yaml.MappingNode:
    """Return `base` with the keys of `variant` put over it.

    A key of the variant replaces the base's; below the keys in `merged`, which hold named entries,
    each entry replaces the entry of the same name and the others stay. A null takes away the key
    or the entry that the base has.

    Raises:
        DocumentError: a null stands where the base has nothing to take away.

    """
    pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {key.value: (key, v) for key, v in base.value}
    for key, value in variant.value:
        below = pairs.get(key.value, (key, None))[1]
        if value.tag == f"{TAG}null":
            if below is None:
                fix = did_you_mean(key.value, pairs) or "remove it"
                raise error(key, f'there is no "{key.value}" to take away', fix)
            del pairs[key.value]
        elif (
            key.value in merged
            and isinstance(below, yaml.MappingNode)
            and isinstance(value, yaml.MappingNode)
        ):
            pairs[key.value] = (key, overlay(below, value, frozenset()))
        else:
            pairs[key.value] = (key, value)
    return yaml.MappingNode(
        variant.tag, list(pairs.values()), variant.start_mark, variant.end_mark, variant.flow_style
    )
