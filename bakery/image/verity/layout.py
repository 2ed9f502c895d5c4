"""Where systemd-repart 257 puts partitions, with --empty=create --size=auto.

It reserves room for the table before it knows what libfdisk leaves of that to partitions. Of small
disks libfdisk leaves more, which then goes to those that may grow, by their weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.image.verity.gpt import SECTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GRAIN = 4096
_METADATA = 1044 << 10  # bytes: GPT_METADATA_SIZE in repart.c
_FIRST, _SMALL_FIRST = 2048, 34  # sectors
_SMALL = 4 * _FIRST  # sectors: topology_get_first_lba() in libfdisk
_TABLE = 33  # sectors of the table's copy at the end


@dataclass(frozen=True)
class Wish:
    """What a partition needs.

    Attributes:
        size: its bytes, a multiple of `GRAIN`.
        grows: whether it takes room that is left.

    """

    size: int
    grows: bool = True


@dataclass(frozen=True)
class Layout:
    """Where partitions are.

    Attributes:
        sectors: how many the disk has.
        first_usable: the first that partitions may have.
        first: the first of the first partition; the others follow it without gaps.
        sizes: the bytes of each.

    """

    sectors: int
    first_usable: int
    first: int
    sizes: tuple[int, ...]


def layout(wishes: Sequence[Wish]) -> Layout:
    """Return where partitions go."""
    sectors = (sum(wish.size for wish in wishes) + _METADATA) // SECTOR
    first_usable = _SMALL_FIRST if sectors <= _SMALL else _FIRST
    start = -(-first_usable * SECTOR // GRAIN) * GRAIN
    end = (sectors - _TABLE) * SECTOR // GRAIN * GRAIN
    sizes = _grown(wishes, end - start)
    return Layout(sectors, first_usable, start // SECTOR, tuple(sizes))


def _grown(wishes: Sequence[Wish], room: int) -> list[int]:
    """Return the partitions' sizes: context_grow_partitions() in repart.c, with equal weights.

    First those get what they need that need more than their share, then those that may have no
    more than they need; the others get their share of the rest.
    """
    sizes: dict[int, int] = {}

    def settle(fits: Callable[[Wish, int], bool]) -> bool:
        settled = False
        for number, wish in enumerate(wishes):
            open_ = len(wishes) - len(sizes)
            if number not in sizes and fits(wish, (room - sum(sizes.values())) // open_):
                sizes[number] = wish.size
                settled = True
        return settled

    for fits in (
        lambda wish, share: wish.size > share,
        lambda wish, share: not wish.grows and wish.size < share,
    ):
        while settle(fits):
            pass
    for number, wish in enumerate(wishes):
        if number not in sizes:
            share = (room - sum(sizes.values())) // (len(wishes) - len(sizes))
            sizes[number] = max(share // GRAIN * GRAIN, wish.size)
    return [sizes[number] for number in range(len(wishes))]
