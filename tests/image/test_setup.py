"""The unit that applies what hosts read before they merge an image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from harness.contents import contents as nothing

from bakery.image import setup
from bakery.image.tree import TreeBuilder
from bakery.recipe.model import Account, Config
from bakery.recipe.plan import StartedUnit

if TYPE_CHECKING:
    from pathlib import Path

UNIT = "usr/lib/systemd/system/app-setup@.service"


contents = partial(nothing, "app", "1")


class Tree(TreeBuilder):
    """A tree that is written to and read as text."""

    def file(self, path: str, text: str = "x\n") -> None:
        self.add_bytes(path, text.encode(), origin="test")

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def commands(self) -> list[str]:
        lines = self.text(UNIT).splitlines()
        return [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_an_image_without_anything_to_apply_has_no_setup(tree: Tree) -> None:
    tree.file("usr/lib/systemd/system/app.service")
    tree.file("usr/lib/sysctl.d/README")
    tree.file("usr/lib/udev/hwdb.d/app.hwdb")
    before = dict(tree.entries)
    assert setup.add(tree, contents()) is None
    assert tree.entries == before


def test_accounts_are_made_before_files_that_are_theirs(tree: Tree) -> None:
    unit = setup.add(
        tree,
        contents(
            account=Account(name="app"),
            config=(("etc/app/app.conf", Config(default="app.conf", mode="0640", group="app")),),
        ),
    )
    assert unit is not None
    assert unit.startswith("app-setup@")
    assert tree.text("usr/lib/sysusers.d/app.conf") == 'u app - "app" /var/lib/app -\n'
    assert tree.text("usr/share/app/tmpfiles.conf") == (
        "d /var/lib/app :0750 :app :app\nC /etc/app/app.conf 0640 - app - /usr/share/app/app.conf\n"
    )
    assert tree.commands() == [
        "/usr/bin/systemd-sysusers app.conf",
        "/usr/bin/systemd-tmpfiles --create /usr/share/app/tmpfiles.conf",
    ]


def test_an_account_says_all_that_sysusers_knows(tree: Tree) -> None:
    account = Account(
        name="app", home="/", groups=("video", "render"), shell="/bin/sh", id=400, title="An app"
    )
    setup.add(tree, contents(account=account))
    assert tree.text("usr/lib/sysusers.d/app.conf") == (
        'u app 400 "An app" / /bin/sh\nm app video\nm app render\n'
    )
    assert "usr/share/app/tmpfiles.conf" not in tree.entries


def test_what_the_recipe_ships_itself_is_kept_and_comes_first(tree: Tree) -> None:
    tree.file("usr/lib/sysusers.d/app.conf", "g app-admin -")
    tree.file("usr/share/app/tmpfiles.conf", "d /etc/app 0750 root app\n")
    setup.add(tree, contents(account=Account(name="app", home="/")))
    assert tree.text("usr/lib/sysusers.d/app.conf").startswith("g app-admin -\nu app ")
    assert tree.text("usr/share/app/tmpfiles.conf") == "d /etc/app 0750 root app\n"
    assert tree.commands()[1].endswith("--create /usr/share/app/tmpfiles.conf")


def test_a_home_that_the_image_makes_itself_is_left_to_it(tree: Tree) -> None:
    tree.file("usr/lib/tmpfiles.d/app.conf", "d /var/lib/app 0755 root root\n")
    setup.add(tree, contents(account=Account(name="app")))
    assert tree.commands()[1] == "/usr/bin/systemd-tmpfiles --create app.conf"


def test_only_what_the_image_ships_is_applied(tree: Tree) -> None:
    tree.file("usr/lib/modules-load.d/app.conf")
    tree.file("usr/lib/modules-load.d/more app.conf")
    (modules,) = _commands(tree)
    assert "modules-load" in modules
    assert modules.endswith(' setup app.conf "more app.conf"')


@pytest.mark.parametrize(
    ("path", "tool"),
    [
        ("usr/lib/sysusers.d/a.conf", "/usr/bin/systemd-sysusers a.conf"),
        ("usr/lib/tmpfiles.d/a.conf", "/usr/bin/systemd-tmpfiles --create a.conf"),
        ("usr/lib/binfmt.d/a.conf", "/usr/lib/systemd/systemd-binfmt"),
        ("usr/lib/udev/rules.d/a.rules", "/usr/bin/udevadm control --reload"),
        ("usr/share/dbus-1/system.d/a.conf", "try-reload-or-restart dbus.service"),
        ("usr/lib/systemd/network/a.network", "/usr/bin/networkctl reload"),
    ],
)
def test_every_kind_has_its_tool(tree: Tree, path: str, tool: str) -> None:
    tree.file(path)
    (command,) = _commands(tree)
    assert tool in command


def test_settings_are_applied_by_name_so_that_administrators_have_the_last_word(
    tree: Tree,
) -> None:
    tree.file(
        "usr/lib/sysctl.d/app.conf",
        "# net.ipv4.comment = 1\n; vm.comment = 1\nnet.ipv4.ip_forward=1\n"
        "-net/bridge/bridge-nf-call-iptables = 1\nnet.ipv4.conf.*.rp_filter = 2\n-vm.excluded\n",
    )
    assert _commands(tree) == [
        (
            "/usr/lib/systemd/systemd-sysctl --prefix=net.ipv4.conf --prefix=net.ipv4.ip_forward"
            " --prefix=net/bridge/bridge-nf-call-iptables --prefix=vm.excluded"
        )
    ]


def test_services_and_sockets_and_what_is_started_wait_for_it(tree: Tree) -> None:
    tree.file("usr/lib/tmpfiles.d/app.conf")
    for name in ("app.service", "app@.service", "app.socket", "app.path", "other.path"):
        tree.file(f"usr/lib/systemd/system/{name}")
    tree.add_link("usr/lib/systemd/system/alias.service", "app.service", origin="test")
    unit = setup.add(tree, contents(start=(StartedUnit("app.path", "multi-user.target"),)))
    waiting = [path for path in tree.entries if path.endswith(".d/10-app-setup.conf")]
    assert sorted(path.split("/")[-2] for path in waiting) == [
        "app.path.d",
        "app.service.d",
        "app.socket.d",
        "app@.service.d",
    ]
    assert {tree.text(path) for path in waiting} == {f"[Unit]\nWants={unit}\nAfter={unit}\n"}


def test_what_changes_what_is_applied_changes_its_instance(tmp_path: Path) -> None:
    instances = set()
    for number, (text, default) in enumerate([("a", "x"), ("a", "y"), ("b", "x")]):
        (tmp_path / str(number)).mkdir()
        tree = Tree(tmp_path / str(number))
        tree.file("usr/lib/sysctl.d/app.conf", f"{text} = 1\n")
        tree.file("usr/share/app/app.conf", default)
        instances.add(setup.add(tree, contents()))
    assert len(instances) == 2


def _commands(tree: Tree) -> list[str]:
    setup.add(tree, contents())
    return tree.commands()
