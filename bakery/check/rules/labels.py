"""Rules about SELinux labels, which only hosts that enforce a policy look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.check.rule import Skip, Violation, rule
from bakery.check.rules.metadata import NOT_ROOT
from bakery.image.labels import TYPES, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node

_FOLDER = Skip(
    "a folder is labelled where it lies: restorecon(8)",
    fix="check the finished image: bakery check NAME-VERSION-ARCH.raw",
)
# What files are called where images are built, and no service may start or read on hosts
_STRAY = frozenset(
    (
        *("default_t", "file_t", "tmp_t", "tmpfs_t", "user_tmp_t", "var_t", "var_lib_t", "mnt_t"),
        *("user_home_t", "user_home_dir_t", "admin_home_t", "home_root_t", "nfs_t", "fusefs_t"),
        *("container_file_t", "container_ro_file_t", "container_share_t", "container_var_lib_t"),
    )
)
# By what belongs to a place: what else of the general types does there. A policy's special types,
# such as httpd_exec_t, are not judged.
_DATA = frozenset(("usr_t", "lib_t", "bin_t", "man_t", "etc_t", "ld_so_t"))
_ALSO = {
    "usr_t": _DATA,
    "man_t": _DATA,
    "etc_t": _DATA,
    "ld_so_t": frozenset(("lib_t", "bin_t")),
    "udev_rules_t": frozenset(("lib_t",)),
    "modules_object_t": frozenset(("lib_t",)),
}


@rule(
    "selinux-label",
    "warning",
    reason=(
        "a host that enforces a SELinux policy lets services neither start nor read what has no"
        " label, or that of another place; others take no notice"
    ),
    fix=(
        "build it with `bakery`, or label it before it is packed: setfiles -r TREE file_contexts"
        " TREE, and mksquashfs without -no-xattrs"
    ),
)
def labels(subject: Subject) -> Iterator[Violation | Skip]:
    """Find what has no label, or one that does not belong to its place.

    Of images that were staged here, `image-content` compares labels with what was decided.
    """
    if subject.context.manifest is not None:
        return
    if not subject.as_root:
        yield NOT_ROOT
        return
    nodes = [node for node in subject.tree if node.path != "."]
    if not any(node.label for node in nodes):
        yield Violation(".", "has no SELinux labels at all") if subject.file else _FOLDER
        return
    for node in nodes:
        if node.label is None:
            yield Violation(node.path, "has no SELinux label, and others have")
        elif complaint := _complaint(node, node.label):
            yield Violation(node.path, complaint)


def _complaint(node: Node, label: str) -> str | None:
    _, _, type_, *_ = [*label.split(":"), "", "", ""]
    if not type_:
        return f"has the label {label}, which is not `user:role:type`"
    if type_ in _STRAY:
        return f"is labelled {type_}, as files are where images are built"
    right = place(node.path, executable=node.executable)
    if node.type != "link" and type_ in TYPES - {right} - _others(node, right):
        return f"is labelled {type_}; to its place belongs {right}"
    return None


def _others(node: Node, right: str) -> frozenset[str]:
    if right == "bin_t" and place(node.path, executable=False) != "bin_t":
        return frozenset(("lib_t",))  # a program among libraries, which policies don't tell apart
    if right == "lib_t" and ".so" not in node.name:
        return frozenset(("usr_t", "bin_t"))
    return _ALSO.get(right, frozenset())
