"""What is read of Debian packages, and what a recipe of them says."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness.elf import program

from bakery.check.rule import Finding
from bakery.image.manifest import Manifest
from bakery.scaffold import debian_plan, debian_texts, package
from bakery.scaffold.observe import Observed, Question
from bakery.scaffold.package import Account, Package

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")

UNIT = """[Unit]
Description=App
[Service]
User=app
EnvironmentFile=/etc/default/app
ExecStart=/usr/sbin/appd --config /etc/app/app.conf
[Install]
WantedBy=multi-user.target
"""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: somebody
License: GPL-2+ or Artistic

Files: debian/*
License: Expat
"""
POSTINST = """#!/bin/sh
USER="app"
HOME_OF=/srv/app
touch /ran
adduser --system --group --quiet \\
    --home $HOME_OF --gecos "The app" ${USER} || true
deb-systemd-helper enable 'app.service' >/dev/null
chown app /var/log/app
"""
FILES = {
    "etc/app/app.conf": "# main\nport 1234\n",
    "etc/default/app": "",
    "usr/lib/systemd/system/app.service": UNIT,
    "usr/lib/systemd/system/app@.service": UNIT,
    "usr/share/app/data": "",
    "usr/share/doc/app/copyright": COPYRIGHT,
    "usr/share/lintian/overrides/app": "",
}


def built(folder: Path, files: Mapping[str, Any], **control: str) -> Package:
    """Return a package of these files as it is read; `control` has its scripts and conffiles."""
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    about = "Package: app\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: x <x@example.org>\n"
    texts = {"control": f"{about}Homepage: https://example.org/\nDescription: An app\n more\n"}
    scripts = {f"DEBIAN/{name}": text for name, text in (texts | control).items()}
    for path, content in {**files, **scripts}.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        runs = "bin/" in path or path.endswith("-helper") or path == "DEBIAN/postinst"
        place.chmod(0o755 if runs else 0o644)
    deb = folder / "app_1.0-1_amd64.deb"
    command: list[str | Path] = ["dpkg-deb", "--root-owner-group", "-b", root, deb]
    subprocess.run(command, check=True, capture_output=True)
    return package.read(deb, deb.name)


@pytest.fixture
def app(tmp_path: Path) -> Package:
    manual = gzip.compress(b"OPTIONS\n\\fB\\-\\-version\\fR\nsay it\n")
    files = {
        **FILES,
        "usr/sbin/appd": program("x86-64") + b"appd 1.0\0",
        "usr/bin/app-cli": program("x86-64"),
        "usr/share/man/man8/appd.8.gz": manual,
    }
    return built(
        tmp_path, files, postinst=POSTINST, conffiles="/etc/app/app.conf\n/etc/default/app\n"
    )


def planned(*own: Package, name: str = "app") -> debian_plan.Plan:
    plan = debian_plan.Plan(name=name, suite="trixie", asked=[own[0].name], own=[*own])
    debian_plan.choose_root(plan)
    debian_plan.lay_out(plan, {each.name: each for each in own})
    return plan


def test_a_package_is_read_and_its_scripts_are_not_run(app: Package) -> None:
    assert (app.homepage, app.summary) == ("https://example.org/", "An app")
    assert app.enabled() == ("app.service",)
    assert app.accounts() == (Account(name="app", home="/srv/app", title="The app"),)
    assert app.licence() == "GPL-2.0-or-later OR Artistic-1.0-Perl"


def test_a_service_sets_itself_up_and_is_asked_to_work(app: Package) -> None:
    plan = planned(app)
    plan.licences, plan.unclear = [app.licence(), "MIT"], ["libx"]
    text = debian_texts.recipe(plan)
    recipe = yaml.safe_load(text)
    assert recipe["license"] == "(GPL-2.0-or-later OR Artistic-1.0-Perl) AND MIT"
    assert "# REVIEW: read the copyright of libx" in text
    assert recipe["upstream"] == {"debian": "app", "suite": "trixie"}
    assert recipe["assets"][0]["install"] == {
        "etc/app/app.conf": "usr/share/app/app.conf",
        "usr/bin/app-cli": "usr/bin/",
        "usr/sbin/appd": "usr/bin/",
        "usr/share/app/**": "usr/share/app/",
        "usr/share/doc/**/copyright": "usr/share/licenses/app/",
        "usr/lib/systemd/system/app.service": "usr/lib/systemd/system/",
        "usr/lib/systemd/system/app@.service": "usr/lib/systemd/system/",
    }
    assert recipe["self-contained"] is True
    assert recipe["account"] == {"name": "app", "home": "/srv/app", "title": "The app"}
    assert recipe["config"] == {"etc/app/app.conf": "app.conf"}
    assert recipe["start"] == ["app.service"]
    readme = debian_texts.readme(plan)
    assert "\n- **Starts** `app.service`.\n- **Tier** community.\n" in readme
    assert recipe["edit"]["usr/lib/systemd/system/app.service"] == [
        {"replace": "[Install]\nWantedBy=multi-user.target\n", "with": ""},
        {"replace": "EnvironmentFile=/", "with": "EnvironmentFile=-/"},
    ]
    assert plan.files == {"usr/share/app/tmpfiles.conf": "d /var/log/app :0750 :app :app\n"}
    checks = yaml.safe_load(debian_texts.check(plan, None))
    assert (checks["listen"], checks["files"]) == (["tcp/1234"], ["/etc/app/app.conf"])
    assert checks["commands"][0]["run"].startswith("appd --version 2>&1 | grep")
    assert checks["commands"][1]["run"] == ["app-cli", "ping"]
    assert "REVIEW: " in debian_texts.readme(plan)


def test_a_script_that_hosts_can_not_run_gets_a_root_of_its_own(tmp_path: Path) -> None:
    files = {"usr/bin/app": "#!/usr/bin/perl -w\nprint q(version)\n", "usr/share/man/man1/x": ""}
    plan = planned(built(tmp_path, files))
    recipe = yaml.safe_load(debian_texts.recipe(plan))
    assert "# /usr/bin/app is a script for perl" in debian_texts.recipe(plan)
    assert recipe["private-root"] == {"enter": {"usr/bin/app": "/usr/bin/app"}}
    asked = recipe["assets"][0]["debian"]["packages"]
    assert asked == ["app", "perl", "perl-base", "dash", "coreutils"]
    assert recipe["drop"] == ["usr/lib/app/root/usr/share/man/**"]


def test_data_alone_brings_no_libraries_and_asks_no_program(tmp_path: Path) -> None:
    plan = planned(
        built(tmp_path, {"usr/share/app/table": "1\n", "usr/share/doc/app/copyright": ""})
    )
    plan.plain = True
    recipe = yaml.safe_load(debian_texts.recipe(plan))
    assert "self-contained" not in recipe
    assert "private-root" not in recipe
    assert yaml.safe_load(debian_texts.check(plan, None)) == {"files": ["/usr/share/app"]}
    assert "REVIEW: " in debian_texts.check(plan, None)
    readme = debian_texts.readme(plan)
    assert "- **Brings** `/usr/share/app`." in readme
    assert "libraries" not in readme


def test_what_is_said_to_be_left_out_is_not_in_the_image(tmp_path: Path) -> None:
    files = {"usr/bin/app": program("x86-64"), "usr/bin/old": "#!/usr/bin/perl\n"}
    files |= {"usr/share/app/bin/tidy": "#!/usr/bin/perl\n"}
    assert planned(built(tmp_path, files)).left == ["usr/bin/old, a script"]


def test_a_service_in_a_private_root_sees_the_hosts_folders(tmp_path: Path) -> None:
    files = {
        "usr/sbin/appd": "#!/usr/bin/python3\n",
        "usr/lib/systemd/system/app.service": UNIT + "# /run/app/app.pid\n",
    }
    plan = planned(built(tmp_path, files))
    text = plan.files["usr/lib/systemd/system/app.service.d/10-root.conf"]
    assert "RootDirectory=/usr/lib/app/root\n" in text
    assert "-/run/app\n" in text


def test_a_unit_that_udev_starts_comes_along(tmp_path: Path) -> None:
    unit = "usr/lib/systemd/system/app.service"
    files = {
        unit: "[Service]\nExecStart=/usr/sbin/appd\n",
        "usr/lib/udev/rules.d/60-app.rules": 'TAG+="systemd", ENV{SYSTEMD_WANTS}+="app.service"\n',
        "usr/sbin/appd": program("x86-64"),
    }
    plan = planned(built(tmp_path, files))
    assert plan.shipped.keys() == {"app.service"}
    assert unit in yaml.safe_load(debian_texts.recipe(plan))["assets"][0]["install"]


def test_older_packages_have_units_in_lib(tmp_path: Path) -> None:
    files = {"lib/systemd/system/app.service": UNIT, "usr/bin/app": program("x86-64")}
    recipe = yaml.safe_load(debian_texts.recipe(planned(built(tmp_path, files))))
    install = recipe["assets"][0]["install"]
    assert install["lib/systemd/system/app.service"] == "usr/lib/systemd/system/"
    assert "usr/lib/systemd/system/app.service" in recipe["edit"]


def test_a_version_that_a_program_does_not_have_is_not_compared(tmp_path: Path) -> None:
    plan = planned(built(tmp_path, {"usr/bin/app": program("x86-64") + b"--version \0"}))
    assert yaml.safe_load(debian_texts.check(plan, None))["commands"] == [{"run": "app --version"}]


def test_what_was_seen_in_a_boot_is_what_is_checked(app: Package) -> None:
    seen = Observed(
        versions={"appd": "appd -V 2>&1 | grep x"},
        idle=["app.service"],
        listens=["udp/53"],
        works=[Question(("appctl", "status"))],
    )
    checks = yaml.safe_load(debian_texts.check(planned(app), seen))
    assert checks == {
        "listen": ["udp/53"],
        "units": [{"name": "app.service", "state": "inactive"}],
        "files": ["/etc/app/app.conf"],
        "commands": [{"run": "appd -V 2>&1 | grep x"}, {"run": ["appctl", "status"]}],
    }
    failing = Observed(versions={}, failed=["app.service"])
    checks = yaml.safe_load(debian_texts.check(planned(app), failing))
    assert checks["listen"] == ["tcp/1234"]
    assert checks["commands"][0] == {"run": "command -v app-cli"}


def test_scripts_find_programs_where_images_have_them(app: Package, tmp_path: Path) -> None:
    plan = planned(app)
    helper = tmp_path / "tree/usr/share/app/helper"
    helper.parent.mkdir(parents=True)
    helper.write_text("exec /usr/sbin/appd || /sbin/appd-other || /sbin/appd\n")
    (helper.parent / "data").write_bytes(b"\xff/usr/sbin/appd")
    plan.renamed = debian_plan.in_sbin(plan, tmp_path / "tree")
    edits = yaml.safe_load(debian_texts.recipe(plan))["edit"]
    assert edits["usr/share/app/helper"] == [
        {"replace": "/usr/sbin/appd", "with": "/usr/bin/appd"},
        {"replace": "/sbin/appd", "with": "/usr/bin/appd"},
    ]


def test_what_scripts_name_comes_along(tmp_path: Path) -> None:
    files = {
        "usr/bin/app": program("x86-64"),
        "usr/bin/helper": "#!/bin/sh\ncp /usr/share/keys/root.key $STATE/usr/share/x\n",
        "etc/sv/app/run": "#!/usr/bin/runit\n",
        "etc/resolvconf/update.d/app": "",
    }
    own = built(tmp_path / "own", files, conffiles="/etc/sv/app/run\n")
    keys = built(tmp_path / "keys", {"usr/share/keys/root.key": "", "usr/share/keys/more": ""})
    assert own.named == {"usr/share/keys/root.key"}
    plan = planned(own)
    found = debian_plan.mentioned(
        plan, Manifest(image="app", key="", epoch=0, entries=()), {"app": own, "keys": keys}
    )
    assert found == {"usr/share/keys/root.key": "usr/share/keys/root.key"}
    assert plan.config == {}  # what other managers of services read


def test_folders_of_the_configuration_are_there_though_they_are_empty(tmp_path: Path) -> None:
    for folder in ("app/services", "cron.d", "app"):
        (tmp_path / "root/etc" / folder).mkdir(parents=True, exist_ok=True)
    app = built(tmp_path, FILES, conffiles="/etc/app/app.conf\n")
    lines = planned(app).files["usr/share/app/tmpfiles.conf"].splitlines()
    assert [line for line in lines if "/etc/" in line] == ["d /etc/app/services 0755 - -"]


def test_a_group_that_debian_alone_has_becomes_the_accounts(tmp_path: Path) -> None:
    line = "d /run/app 0755 app nogroup\n"
    files = {**FILES, "usr/bin/app": program("x86-64"), "usr/lib/tmpfiles.d/app.conf": line}
    texts = planned(built(tmp_path, files, postinst=POSTINST)).files["usr/share/app/tmpfiles.conf"]
    assert "d /run/app 0755 app app\n" in texts


def test_links_to_nothing_and_units_that_can_not_run_are_left_out(app: Package) -> None:
    plan = planned(app)
    link, unit = "usr/share/app/modules", "usr/lib/systemd/system/app.service"
    about: dict[str, Any] = {"severity": "error", "message": "", "fix": "", "reason": ""}
    plan.proposals = [
        Finding(rule="broken-link", path=link, **about),
        Finding(rule="unit-program", path=unit, **about),
    ]
    assert plan.renounce()
    assert not plan.renounce()
    assert (plan.dropped, plan.broken) == ({link}, set())  # the only unit stays
    assert yaml.safe_load(debian_texts.recipe(plan))["drop"] == [link]


def test_scripts_that_came_along_are_left_out_again(app: Package) -> None:
    plan = planned(app)
    plan.extra = {"usr/lib/ssl/**": "usr/lib/ssl/"}
    about: dict[str, Any] = {"severity": "error", "message": "", "fix": "", "reason": ""}
    plan.proposals = [
        Finding(rule="script-interpreter", path="usr/lib/ssl/misc/CA.pl", **about),
        Finding(rule="script-interpreter", path="usr/share/app/own.pl", **about),
    ]
    assert plan.renounce()
    assert yaml.safe_load(debian_texts.recipe(plan))["drop"] == ["usr/lib/ssl/misc/CA.pl"]


def test_a_program_that_udevs_rules_run_comes_along(tmp_path: Path) -> None:
    plan = planned(built(tmp_path, {"usr/lib/udev/app-helper": program("x86-64")}))
    assert plan.install["usr/lib/udev/app-helper"] == "usr/lib/udev/"


def test_a_folder_of_plug_ins_comes_along_for_any_processor(tmp_path: Path) -> None:
    files = {
        "usr/bin/app": program("x86-64"),
        "usr/lib/x86_64-linux-gnu/app/plugins/a.so": b"",
        "usr/lib/app/helper": b"",
        "usr/share/locale/de/app.mo": b"",
    }
    install = planned(built(tmp_path, files), name="other").install
    assert install["usr/lib/*/app/**"] == "usr/lib/other/app/"
    assert install["usr/lib/app/**"] == "usr/lib/app/"
    assert not any("locale" in pattern for pattern in install)


def test_programs_are_called_as_debians_alternatives_call_them(tmp_path: Path) -> None:
    postinst = (
        "#!/bin/sh\nupdate-alternatives \\\n --quiet   --install /bin/nc nc /bin/nc.openbsd 50 \\\n"
        "  --slave /usr/share/man/x x y\n"
        "update-alternatives --install /usr/bin/editor editor /bin/nc.openbsd 1\n"
    )
    files = {"bin/nc.openbsd": program("x86-64")}
    plan = planned(built(tmp_path, files, postinst=postinst), name="nc")
    assert yaml.safe_load(debian_texts.recipe(plan))["links"] == {"usr/bin/nc": "nc.openbsd"}
    assert debian_texts.asked(plan)[0] == ["nc", "nc.openbsd"]
    assert "`/usr/bin/nc`" in debian_texts.readme(plan)


def test_what_sbin_and_bin_both_have_is_installed_once(tmp_path: Path) -> None:
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/rmail").symlink_to("../sbin/rmail")
    plan = planned(built(tmp_path, {"usr/sbin/rmail": program("x86-64")}))
    assert [*plan.install] == ["usr/sbin/rmail", "usr/share/doc/**/copyright"]


def test_recommended_packages_are_known(tmp_path: Path) -> None:
    control = "Package: app\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\n"
    control += "Recommends: keys, other (>= 2) | third\nDescription: x\n"
    assert built(tmp_path, {}, control=control).recommends == ["keys", "other"]


@pytest.mark.parametrize(
    ("line", "account"),
    [
        ("useradd -r -d /var/lib/app -s /bin/bash app", Account(name="app", shell="/bin/bash")),
        (
            "adduser --system --uid=70 --home /nonexistent app >/dev/null",
            Account(name="app", id=70),
        ),
        ("adduser app video", None),
        ("# adduser --system app", None),
        ('adduser --system "app', None),
    ],
)
def test_accounts_that_scripts_make_are_read(
    tmp_path: Path, line: str, account: Account | None
) -> None:
    script = f"#!/bin/sh\n{line}\n"
    assert built(tmp_path, {}, postinst=script).accounts() == ((account,) if account else ())


def test_accounts_of_sysusers_d_are_read(tmp_path: Path) -> None:
    lines = '# us\nu! app - "The app" /srv/app\nm app video\n'
    made = built(tmp_path, {"usr/lib/sysusers.d/app.conf": lines}).accounts()
    assert made == (Account(name="app", home="/srv/app", groups=("video",), title="The app"),)


@pytest.mark.parametrize(
    ("short", "expression"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("Expat and BSD-3-clause", "MIT AND BSD-3-Clause"),
        ("GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl"),
        ("Apache-2.0", "Apache-2.0"),
        ("public-domain", "LicenseRef-Unknown"),
        ("", "LicenseRef-Unknown"),
    ],
)
def test_short_names_of_licences(short: str, expression: str) -> None:
    assert package.spdx(short) == expression
