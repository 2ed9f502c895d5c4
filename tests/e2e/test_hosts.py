"""Hosts that heal: on booted systems, updates hold or go back, and nothing that ran is lost."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.hosts import HERE, Publisher, booted, provision
from harness.native import ARCH
from harness.openpgp import Person
from harness.project import REPOSITORY

from bakery.boot.nspawn import image_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn", "debootstrap", "mksquashfs", "gpg")]


@pytest.fixture
def publisher(tmp_path: Path, person: Person) -> Publisher:
    person.key(f"the publisher of {tmp_path.name}")
    made = Publisher(tmp_path / "site", tmp_path / "work", person)
    made.folder.mkdir()
    made.publish("app", "1.0")
    made.publish("other", "1.0")
    return made


@pytest.fixture
def stranger() -> Iterator[Person]:
    person = Person()
    yield person
    person.close()


@pytest.mark.parametrize("suite", needs.LONG)
def test_updates_hold_or_go_back(suite: str, tmp_path: Path, publisher: Publisher) -> None:
    """A good one; one without release file; one that dies later; three bad ones in a row."""
    disk = tmp_path / "disk"
    provision(disk, publisher, "app", "other")
    with booted(suite, disk, publisher) as host:
        assert (host.runs("app"), host.runs("other")) == ("1.0", "1.0")
        others = host.holds("systemctl show --property=InvocationID other.service")
        publisher.publish("app", "2.0")
        assert host.updates().splitlines() == [
            "extensions: other is up to date with 1.0",
            "extensions: app is 2.0 now, and was 1.0",
        ]
        assert host.runs("app") == "2.0"
        assert host.images("app") == ["1.0", "2.0"]

        publisher.publish("app", "3.0", damaged=True)
        merges = host.holds("systemd-sysext status --json=short")
        assert (
            "<3>extensions: app 3.0 does not merge, and is not taken again: "
            "it has no release file extension-release.app; 2.0 stays\n"
        ) in host.refuses()
        assert host.holds("systemd-sysext status --json=short") == merges, "nothing was merged anew"
        host.updates()  # it is not tried again

        publisher.publish("app", "4.0", then="sleep 1; exit 3")
        said = host.refuses()
        assert "app 4.0 does not hold, and is not taken again: app.service" in said
        assert "back to 2.0" in said
        publisher.publish("app", "5.0", then="exit 3")
        host.refuses()
        assert host.runs("app") == "2.0"
        assert host.images("app") == ["1.0", "2.0"]
        told = host.status("app")
        assert (told["merged"], told["newest"]) == ("2.0", "5.0")
        assert told["shunned"] == ["3.0", "4.0", "5.0"]
        assert "app.service" in told["failed"]

        publisher.publish("app", "6.0")
        host.updates()
        assert host.runs("app") == "6.0"
        assert host.images("app") == ["2.0", "6.0"]
        now = host.holds("systemctl show --property=InvocationID other.service")
        assert now == others, "nobody else was disturbed"


# Serves half of every image, then hangs up
HALF = r"""
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1:8000', Listen => 5, ReuseAddr => 1);
while (my $client = $server->accept) {
  my ($path) = <$client> =~ m{GET (\S+)};
  while (<$client> =~ /\S/) {}
  if (open my $file, '<', "$ARGV[0]$path") {
    local $/; my $data = <$file>; my $size = length $data;
    $data = substr $data, 0, $size / 2 if $path =~ /raw$/;
    print $client "HTTP/1.0 200 OK\r\nContent-Length: $size\r\n\r\n$data";
  } else { print $client "HTTP/1.0 404 Not Found\r\n\r\n"; }
  close $client;
}
"""


@pytest.mark.parametrize("suite", needs.LONG)
def test_what_can_not_be_had_changes_nothing(
    suite: str, tmp_path: Path, publisher: Publisher, stranger: Person
) -> None:
    """No network, half a file, a full disk, a read-only one, an old list, a wrong key."""
    disk = tmp_path / "disk"
    provision(disk, publisher, "app", "other")
    stranger.key("somebody else")
    with booted(suite, disk, publisher, watch=1) as host:
        publisher.publish("app", "2.0")
        before = host.holds("systemd-sysext status --json=short")

        def refused(why: str) -> None:
            said = host.refuses("app")
            assert why in said, said
            assert said.count("\n") == 1, said
            assert host.runs("app") == "1.0"
            assert host.images("app") == ["1.0"]
            assert host.holds("systemd-sysext status --json=short") == before
            told = host.status("app")
            assert (told["merged"], told["shunned"]) == ("1.0", [])
            assert told["failed"] in said

        host.holds("kill $(pidof busybox)")
        refused("onnect to server")
        site = image_path(0, publisher.folder.name)
        host.holds(f"cat >/run/half <<'END'\n{HALF}\nEND")
        host.holds(f"setsid perl /run/half {site} >/dev/null 2>&1 & echo $! >/run/half.pid")
        host.holds(f"until curl --silent {HERE}/app/SHA256SUMS >/dev/null; do sleep 0.1; done")
        refused("app: 2.0 can't be had from http://127.0.0.1:8000/app: Transfer")
        host.holds("kill $(cat /run/half.pid)")
        publisher.serve(host)

        host.holds(
            "mkdir -p /run/small && mount -t tmpfs -o size=16k none /run/small && "
            "cp -a /opt/extensions/app/. /run/small && rm -f /run/small/.sysupdate* && "
            "dd if=/dev/zero of=/run/small/rest bs=4k 2>/dev/null; "
            "mount --bind /run/small /opt/extensions/app"
        )
        refused("No space left on device")
        host.holds("umount /opt/extensions/app /run/small")

        states = "/var/lib/extensions.d"
        host.holds(f"mount --bind {states} {states} && mount -o remount,bind,ro {states}")
        assert "nothing is changed: the state can't be written" in host.refuses("app")
        assert host.runs("app") == "1.0"
        host.holds(f"umount {states}; rm /opt/extensions/app/app-2.0-*")

        if suite == "forky":  # the first systemd that looks at the day
            publisher.sign("app", until=date(2020, 1, 1))
            refused("app: can't look for updates at http://127.0.0.1:8000/app: ")
        publisher.sign("app", stranger)
        refused("signature")
        keys = stranger.export(publisher.folder / "new.gpg", armour=False)
        host.holds(f"cp {site}/{keys.name} /etc/systemd/import-pubring.gpg")
        host.updates("app")
        assert host.runs("app") == "2.0"


CUTS = [
    "before systemd-sysupdate *update*",
    "after systemd-sysupdate *update*",
    "before unshare*",
    "after mv*/before",
    "before mv*/etc/extensions/*",
    "after mv*/etc/extensions/*",
    "after systemctl re* systemd-sysext.service",
    "before systemctl restart app.service",
    "after sleep*",
    "before rm*/opt/extensions/*",
]
# Stands for programs; where a call fits, it says so and goes no further
CUTTER = r"""#!/bin/sh
PATH=${PATH#/run/cut:}
read -r when pattern </run/cut/at
fits() {
  case "${0##*/} $*" in $pattern) : >/run/cut/now; exec sleep 1000 ;; esac
}
[ "$when" = after ] || fits "$@"
"${0##*/}" "$@"
status=$?
[ "$when" = before ] || fits "$@"
exit $status
"""
CUT = """
mkdir /run/cut
cat >/run/cut/at <<'END'
{at}
END
cat >/run/cut/cutter <<'END'
{cutter}
END
chmod +x /run/cut/cutter
for name in systemd-sysupdate unshare mv systemctl sleep rm; do
  ln -s cutter "/run/cut/$name"
done
PATH=/run/cut:$PATH setsid sh /opt/bin/extensions update >/run/cut/said 2>&1 </dev/null &
until [ -e /run/cut/now ]; do /bin/sleep 0.1; done
"""


@pytest.mark.parametrize("suite", needs.LONG)
@pytest.mark.parametrize(
    "cuts",
    [pytest.param(CUTS[5::3], id="some"), pytest.param(CUTS, id="all", marks=pytest.mark.nightly)],
)
def test_power_cuts_lose_nothing(
    suite: str, cuts: list[str], tmp_path: Path, publisher: Publisher
) -> None:
    disk = tmp_path / "disk"
    provision(disk, publisher, "app", "other")
    old = "1.0"
    for number, cut in enumerate([*cuts, ""], 2):
        with booted(suite, disk, publisher, watch=1) as host:
            runs = host.runs("app")
            assert runs in {old, f"{number - 1}.0"}, cut
            assert host.runs("other") == "1.0"
            assert host.status("app")["merged"] == runs
            assert host.holds("readlink /etc/extensions/app.raw").endswith(
                f"/app-{runs}-{ARCH}.raw"
            )
            assert host.ask("grep -r doing= /var/lib/extensions.d").status == 1
            old = runs
            if not cut:
                host.updates()
                assert host.runs("app") == f"{number - 1}.0"
                break
            publisher.publish("app", f"{number}.0")
            host.holds(CUT.format(at=cut, cutter=CUTTER), limit=60)


LISTENS = """\
exec perl -MIO::Socket::INET -e '
  my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8200", Listen => 1, ReuseAddr => 1)
    or die "port 8200: $!";
  sleep'
"""


@pytest.mark.parametrize("suite", needs.LONG)
def test_neighbours_are_left_alone(suite: str, tmp_path: Path, publisher: Publisher) -> None:
    """Who takes another's port; two that belong together; a foreign one; ten versions later."""
    publisher.publish("other", "1.1", then=LISTENS)
    publisher.publish("addon", "1.0", more="requires: [app]", beside="app")
    disk = tmp_path / "disk"
    provision(disk, publisher, "app", "other", "addon")
    foreign = disk / "etc/extensions/foreign/usr"
    (foreign / "share/foreign").mkdir(parents=True)
    (foreign / "lib/extension-release.d").mkdir(parents=True)
    (foreign / "lib/extension-release.d/extension-release.foreign").write_text("ID=_any\n")
    with booted(suite, disk, publisher, watch=1) as host:
        publisher.publish("app", "2.0", then=f"systemctl stop other.service\n{LISTENS}")
        assert "app 2.0 does not hold, and is not taken again" in host.refuses()
        assert (host.runs("app"), host.runs("other")) == ("1.0", "1.1")

        for number in range(3, 12):
            publisher.publish("app", f"{number}.0")
        publisher.publish("addon", "2.0", more="requires: [app]", beside="app")
        count = "journalctl --boot --output=cat | grep -c \"Merged extensions into '/usr'\""
        merges = int(host.holds(count))
        host.updates()
        assert int(host.holds(count)) == merges + 1
        assert (host.runs("app"), host.runs("addon")) == ("11.0", "2.0")
        assert host.images("app") == ["1.0", "11.0"]

        publisher.publish("app", "12.0", then="exit 3")
        publisher.publish("addon", "3.0", more="requires: [app]", beside="app")
        assert "together, they do not hold" in host.refuses()
        assert (host.runs("app"), host.runs("addon")) == ("11.0", "3.0")

        publisher.publish("app", "13.0", more="conflicts: [other]")
        assert "app conflicts with other" in host.refuses()
        assert (host.runs("app"), host.runs("other")) == ("11.0", "1.1")

        assert "addon needs app" in host.extensions("remove", "app").stdout
        assert host.extensions("remove", "addon").status == 0
        assert host.extensions("remove", "app").status == 0
        assert host.holds("ls /etc/extensions /opt/extensions").split() == [
            *("/etc/extensions:", "foreign", "other.raw", "/opt/extensions:", "other")
        ]
        assert host.runs("other") == "1.1"
        host.holds("test -d /usr/share/foreign")
        assert host.ask("systemctl is-active app.service").stdout == "inactive\n"


@pytest.mark.parametrize("suite", needs.LONG)
def test_the_first_version_comes_later_and_brings_its_own_check(
    suite: str, tmp_path: Path, publisher: Publisher
) -> None:
    check = """\
commands:
  - {run: echo "$BAKERY_VERSION" >/run/checked, on: host}
  - {run: [cat, /run/app], on: host, stdout: {equals: %s}}
  - run: "false"
"""
    disk = tmp_path / "disk"
    provision(disk, publisher, "app")
    (disk / "etc/extensions/app.raw").unlink()
    with booted(suite, disk, publisher, watch=1) as host:
        host.holds("/opt/bin/extensions first app && /opt/bin/extensions resume")
        assert host.runs("app") == "1.0"
        assert "from - to 1.0" in host.status("app")["last"]
        publisher.publish("app", "2.0", check=check % "'2.0'")
        host.updates()
        assert host.holds("cat /run/checked") == "2.0"
        publisher.publish("app", "3.0", check=check % "other")
        assert "app is not healthy: cat /run/app: output is not as it must be" in host.refuses()
        assert host.runs("app") == "2.0"


@pytest.mark.parametrize("suite", needs.LONG)
def test_updates_wait_for_a_reboot(suite: str, tmp_path: Path, publisher: Publisher) -> None:
    disk = tmp_path / "disk"
    provision(disk, publisher, "app", policy="reboot")
    provision(disk, publisher, "other")
    with booted(suite, disk, publisher, watch=1, settings='REBOOT_LOCK="exit 1"\n') as host:
        publisher.publish("app", "2.0")
        publisher.publish("other", "2.0")
        said = host.refuses()
        assert "app 2.0 is merged at the next reboot" in said
        assert "no reboot now, since this failed: exit 1" in said
        assert (host.runs("app"), host.runs("other")) == ("1.0", "2.0")
        assert host.status("app")["next"] == "2.0"

        host.holds("echo REBOOT_LOCK=true >/etc/extensions.conf")
        host.holds("systemd-inhibit --what=shutdown --mode=block sleep 1000 >/dev/null 2>&1 &")
        host.holds("until systemd-inhibit --list | grep -q sleep; do sleep 0.1; done")
        assert "something inhibits it" in host.refuses()

        host.holds("pkill -f 'sleep 1000'")

        host.holds("echo 'REBOOT_WINDOW=\"Sun 03:00\"' >/etc/extensions.conf")
        host.updates()
        listed = host.holds("systemctl show --property=TimersCalendar extensions-reboot.timer")
        assert "Sun *-*-* 03:00:00" in listed
        assert host.guest.power_off()
    with booted(suite, disk, publisher, watch=1) as host:
        assert host.runs("app") == "2.0"
        assert host.status("app")["next"] is None
        publisher.publish("app", "3.0", then="exit 3")
        publisher.publish("other", "3.0")
        host.holds("echo POLICY=reboot >/etc/extensions.d/other.conf")
        host.holds("echo 'REBOOT_WINDOW=\"Sun 03:00\"' >/etc/extensions.conf")
        host.updates()
        assert host.guest.power_off()
    with booted(suite, disk, publisher, watch=1) as host:
        host.holds("until ! grep doing= /var/lib/extensions.d/app.state; do sleep 0.2; done")
        assert (host.runs("app"), host.runs("other")) == ("2.0", "2.0")
        assert host.status("app")["shunned"] == ["3.0"]
        assert host.status("other")["shunned"] == []
        assert "app 3.0 does not hold" in host.holds(
            "journalctl --boot --priority=err --unit=extensions-transactions.service"
        )


@pytest.mark.nightly
def test_what_systemd_262_does_by_itself_changes_nothing_that_runs(
    tmp_path: Path, publisher: Publisher
) -> None:
    disk = tmp_path / "disk"
    provision(disk, publisher, "app")
    engine = "/usr/lib/systemd/systemd-sysupdate"
    with booted("forky", disk, publisher, watch=1) as host:
        host.holds("systemctl start systemd-sysupdate-notify-sysext.socket")
        publisher.publish("app", "2.0")
        host.holds(f"{engine} update --component-all --cleanup=yes")
        assert host.images("app") == ["1.0", "2.0"]
        assert (host.runs("app"), host.status("app")["merged"]) == ("1.0", "1.0")
        host.updates()
        assert host.runs("app") == "2.0"

        guide = (REPOSITORY / ".github/docs/updates.md").read_text()
        (drop_in,) = re.findall(r"```ini\n(.*?)```", guide, re.DOTALL)
        folder = "/etc/sysupdate.app.component.d"
        host.holds(f"mkdir {folder}; cat >{folder}/10-fleet.conf <<'END'\n{drop_in}END")
        publisher.publish("app", "3.0")
        assert "app 3.0 waits, since its component is disabled" in host.updates()
        host.holds(f"sed -i 's/ 10%/ 100%/' {folder}/10-fleet.conf")
        host.holds(f"{engine} enable-component --component-suggested")
        host.updates()
        assert host.runs("app") == "3.0"


def test_the_lines_of_the_guide(tmp_path: Path, publisher: Publisher) -> None:
    guide = (REPOSITORY / ".github/docs/updates.md").read_text()
    status, journal, again, back, pins = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    shown = re.findall(r"```\napp\n(.*?)```", guide, re.DOTALL)[0]
    disk = tmp_path / "disk"
    provision(disk, publisher, "app")
    with booted("trixie", disk, publisher, watch=1) as host:
        publisher.publish("app", "2.0")
        host.updates()
        publisher.publish("app", "3.0", then="[ -e /run/mended ] || exit 3")
        assert host.ask("systemctl start extensions-update.service").status == 1
        told = host.holds(f"PATH=$PATH:/opt/bin\n{status}").splitlines()
        keys = [line.split()[0] for line in shown.splitlines()]
        assert [line.split()[0] for line in told] == ["app", *keys]
        assert "app 3.0 does not hold" in host.holds(journal)
        host.holds(f"touch /run/mended\nPATH=$PATH:/opt/bin\n{again}")
        assert host.runs("app") == "3.0"
        host.holds(f"PATH=$PATH:/opt/bin\n{back}")
        assert (host.runs("app"), host.status("app")["shunned"]) == ("2.0", ["3.0"])
        host.holds(f"PATH=$PATH:/opt/bin\nset -e\n{pins}")
        publisher.publish("app", "2.1")
        publisher.publish("app", "4.0")
        host.holds("/opt/bin/extensions pin app 2")
        host.updates()
        assert host.runs("app") == "2.1"
