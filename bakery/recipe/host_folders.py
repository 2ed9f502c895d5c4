"""Folders of hosts: no image may have a file or a link at the path of one.

A merged /usr is an overlay (systemd-sysext(8)): a file there hides the host's folder with all that
is in it, so a host with a file at /usr/bin runs nothing any more. The list has what Debian or
Flatcar installs as part of its base system, see file-hierarchy(7).
"""

from __future__ import annotations

_FOLDERS = {
    "": "usr opt",
    "usr": "bin games include lib lib32 lib64 libexec local sbin share src",
    "usr/lib": """
        aarch64-linux-gnu apt binfmt.d credstore dbus-1.0 depmod.d dpkg environment.d firmware
        flatcar kernel locale modprobe.d modules modules-load.d pam.d portables repart.d security
        ssl sysctl.d systemd sysusers.d terminfo tmpfiles.d udev x86_64-linux-gnu
    """,
    "usr/lib/kernel": "install.d",
    "usr/lib/systemd": """
        boot catalog network ntp-units.d portable profile system system-environment-generators
        system-generators system-preset system-shutdown system-sleep user
        user-environment-generators user-generators user-preset
    """,
    "usr/lib/systemd/system": """
        getty.target.wants graphical.target.wants initrd.target.wants local-fs.target.wants
        multi-user.target.wants remote-fs.target.wants rescue.target.wants sockets.target.wants
        sysinit.target.wants timers.target.wants user-.slice.d user@.service.d
    """,
    "usr/lib/udev": "hwdb.d rules.d",
    "usr/local": "bin etc games include lib man sbin share src",
    "usr/share": """
        applications baselayout bash-completion ca-certificates common-licenses dbus-1 dict doc
        fonts icons info keyrings licenses locale man mime misc pixmaps pkgconfig polkit-1 systemd
        terminfo vim zoneinfo zsh
    """,
    "usr/share/bash-completion": "completions helpers",
    "usr/share/dbus-1": "interfaces services session.d system-services system.d",
    "usr/share/man": "man1 man2 man3 man4 man5 man6 man7 man8",
    "usr/share/polkit-1": "actions rules.d",
    "usr/share/zsh": "site-functions vendor-completions",
}

HOST_FOLDERS = frozenset(
    f"{parent}/{name}".lstrip("/") for parent, names in _FOLDERS.items() for name in names.split()
)
