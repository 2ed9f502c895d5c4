"""What every host that can merge an image brings: a merged /usr with systemd, and little more.

The lists hold what both a minimal Debian and Flatcar have. A longer list would let images through
that start on one of them only.
"""

from __future__ import annotations

import posixpath
import re

from bakery.recipe.host_folders import HOST_FOLDERS

# each from coreutils, util-linux, bash, grep, sed, findutils, gzip, tar, procps, iproute2, systemd
_IN_BIN = """
    awk base64 basename bash cat chgrp chmod chown cmp comm cp cut date dd df diff dirname dmesg du
    echo egrep env expr false fgrep find findmnt flock fold getent getopt grep groups gunzip gzip
    head hostname id install ionice ip ipcs join kill kmod last link ln logger ls lsblk lsmod md5sum
    mkdir mkfifo mknod mktemp mount mountpoint mv nice nl nohup nproc nsenter od paste pgrep pidof
    pkill printenv printf ps pwd readlink realpath renice rm rmdir sed seq setpriv setsid sh
    sha256sum sha512sum sleep sort split stat stdbuf stty sync tac tail tar taskset tee test
    timeout touch tr true truncate tty umount uname uniq unlink unshare wc who whoami xargs yes zcat
    busctl hostnamectl journalctl loginctl networkctl systemctl systemd-analyze systemd-cat
    systemd-creds systemd-detect-virt systemd-escape systemd-id128 systemd-notify systemd-path
    systemd-run systemd-socket-activate systemd-stdio-bridge systemd-sysext systemd-sysusers
    systemd-tmpfiles
"""
# some hosts have one folder for both: sbin is right on all
_IN_SBIN = """
    agetty blkid blockdev depmod fsck fstrim insmod ip losetup lsmod mkfs mkswap modinfo modprobe
    nologin rmmod sulogin swapoff swapon switch_root sysctl
"""
_BASIC_GROUPS = """
    adm audio cdrom dialout disk input kmem kvm lp render sgx systemd-journal tape tty users utmp
    video wheel
"""
_SYSTEMD = re.compile(r"usr/lib/systemd/systemd(-[a-z0-9-]+)?")
_UDEV_HELPERS = re.compile(r"usr/lib/udev/(ata_id|cdrom_id|dmi_memory_id|mtd_probe|scsi_id|v4l_id)")
_FILES = re.compile(r"usr/lib/(os-release|systemd/resolv\.conf)|usr/share/zoneinfo/.+")
_TARGETS = """
    basic bluetooth boot-complete ctrl-alt-del default emergency exit final first-boot-complete
    getty getty-pre graphical halt hibernate hybrid-sleep initrd kexec local-fs local-fs-pre
    machines multi-user network network-online network-pre nss-lookup nss-user-lookup paths
    poweroff printer reboot remote-fs remote-fs-pre rescue rpcbind shutdown sleep slices smartcard
    sockets sound suspend suspend-then-hibernate swap sysinit system-update system-update-pre
    time-set time-sync timers umount
"""
_UNITS = re.compile(
    r"systemd-.*|dbus.*|-\..*|syslog\.socket|(debug-shell|emergency|kmod-static-nodes|rescue)\.service"
    r"|((console|container|serial)-)?getty(@.*)?\.service|(modprobe|user|user-runtime-dir)@.*\.service"
    rf"|({'|'.join(_TARGETS.split())})\.target"
)
_PROGRAMS = frozenset(_IN_BIN.split())
_SYSTEM_PROGRAMS = frozenset(_IN_SBIN.split())

USERS = frozenset({"root", "nobody", "systemd-network", "systemd-resolve", "systemd-timesync"})
GROUPS = USERS | frozenset(_BASIC_GROUPS.split())  # sysusers.d/basic.conf of systemd


def has_program(path: str) -> bool:
    """Return whether every host has a program at a path, such as `usr/bin/sh`."""
    folder, name = posixpath.split(path)
    if folder == "usr/bin":
        return name in _PROGRAMS
    if folder == "usr/sbin":
        return name in _SYSTEM_PROGRAMS
    return bool(_SYSTEMD.fullmatch(path) or _UDEV_HELPERS.fullmatch(path))


def has_file(path: str) -> bool:
    """Return whether every host has a file or folder at a path that is no program."""
    folder, name = posixpath.split(path)
    return (
        path in HOST_FOLDERS
        or bool(_FILES.fullmatch(path))
        or (folder == "usr/lib/systemd/system" and has_unit(name))
    )


def knows_program(name: str) -> bool:
    """Return whether every host has a program of that name in its search path."""
    return name in _PROGRAMS or name in _SYSTEM_PROGRAMS


def has_unit(name: str) -> bool:
    """Return whether every host has a unit of that name."""
    return bool(_UNITS.fullmatch(name))
