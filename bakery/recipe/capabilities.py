"""File capabilities: which of root's rights a program gives whoever starts it (capabilities(7)).

Recipes spell them as setcap(8) does: `cap_net_raw=ep`. File systems keep them in the attribute
`security.capability`, as `struct vfs_cap_data` of linux/capability.h, revision 2: one little-endian
word of revision and flag, then the low and the high halves of what is permitted and inheritable.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import ClassVar

from bakery.text import did_you_mean
from bakery.yaml.grammar import GrammarError

ATTRIBUTE = "security.capability"

_NAMES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid"),
    *("setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw"),
    *("ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct"),
    *("sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod"),
    *("lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog"),
    *("wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"),
)
_BITS = {f"cap_{name}": bit for bit, name in enumerate(_NAMES)}
_CLAUSE = re.compile(r"(?P<names>[A-Za-z0-9_]+(?:,[A-Za-z0-9_]+)*)[=+](?P<flags>[eip]+)")
_FIX = "write it as for setcap(8): cap_net_raw=ep"
_REVISIONS = {0x01000000: 1, 0x02000000: 2, 0x03000000: 2}  # and the pairs of words that follow
_EFFECTIVE = 1
_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Capabilities:
    """What a program may do whoever starts it.

    Attributes:
        permitted: what it may do, as bits.
        inheritable: what it may do if its caller may hand it on, as bits.
        effective: whether it may do so from its start, without asking.

    """

    PATTERN: ClassVar[str] = r"^cap_[a-z_,]+[=+][eip]+(?: cap_[a-z_,]+[=+][eip]+)*$"

    permitted: int
    inheritable: int
    effective: bool

    @classmethod
    def parse(cls, text: str) -> Capabilities:
        """Return what a text spells, as setcap(8) has it.

        Raises:
            GrammarError: it spells nothing that a file can have.

        """
        permitted = inheritable = effective = 0
        start = 0
        for part in text.split(" "):
            clause = _CLAUSE.fullmatch(part)
            if clause is None:
                raise GrammarError(f'"{part}" gives no capability', fix=_FIX)
            bits = _bits(clause["names"], start)
            flags = clause["flags"]
            permitted |= bits if "p" in flags else 0
            inheritable |= bits if "i" in flags else 0
            effective |= bits if "e" in flags else 0
            start += len(part) + 1
        if effective not in (0, permitted | inheritable):
            raise GrammarError("of one file, all capabilities are effective (e) or none is")
        return cls(permitted, inheritable, bool(effective))

    @classmethod
    def decode(cls, attribute: bytes) -> Capabilities | None:
        """Return what an attribute says, whoever's it is; None where it can't be read."""
        if len(attribute) < 4:  # noqa: PLR2004
            return None
        head, *words = struct.unpack(f"<{len(attribute) // 4}I", attribute[: len(attribute) & ~3])
        pairs = _REVISIONS.get(head & 0xFF000000, 0)
        if not pairs or len(words) < 2 * pairs:
            return None
        permitted = sum(words[2 * n] << 32 * n for n in range(pairs))
        inheritable = sum(words[2 * n + 1] << 32 * n for n in range(pairs))
        return cls(permitted, inheritable, bool(head & _EFFECTIVE))

    def encode(self) -> bytes:
        """Return the attribute."""
        both = (self.permitted, self.inheritable)
        halves = [part >> shift & _WORD for shift in (0, 32) for part in both]
        return struct.pack("<5I", 0x02000000 | self.effective, *halves)

    def __str__(self) -> str:
        """Return the text that spells this, the same for equal ones."""
        effective = "e" if self.effective else ""
        by_flags: dict[str, list[str]] = {}
        for bit in range(64):
            flags = ("i" if self.inheritable >> bit & 1 else "") + (
                "p" if self.permitted >> bit & 1 else ""
            )
            if flags:
                name = f"cap_{_NAMES[bit]}" if bit < len(_NAMES) else str(bit)
                by_flags.setdefault(effective + flags, []).append(name)
        return " ".join(f"{','.join(names)}={flags}" for flags, names in by_flags.items())


def _bits(names: str, start: int) -> int:
    bits = 0
    for name in names.split(","):
        if name.lower() not in _BITS:
            raise GrammarError(
                f'Linux has no capability "{name}"',
                fix=did_you_mean(name.lower(), _BITS) or _FIX,
                span=(start, start + len(name)),
            )
        bits |= 1 << _BITS[name.lower()]
        start += len(name) + 1
    return bits
