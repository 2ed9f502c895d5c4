"""From Debian packages to a recipe: read, laid out, locked, staged, and looked at again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.arch import ARCHITECTURES
from bakery.check.loader import load_folder
from bakery.check.report import check_subject
from bakery.check.subject import Context
from bakery.image.errors import ImageError, NothingDynamicError
from bakery.image.stage import stage
from bakery.lock.pin import lock_version
from bakery.progress import Silent
from bakery.recipe import debian
from bakery.recipe.debian import Packages
from bakery.recipe.load import Recipes
from bakery.recipe.version import Version
from bakery.scaffold import debian_plan as plans
from bakery.scaffold import debian_texts
from bakery.scaffold import package as packages
from bakery.scaffold.contents import fetched
from bakery.scaffold.debian_plan import Plan
from bakery.scaffold.observe import image_of, looked_into, seen_in_a_boot
from bakery.scaffold.texts import write
from bakery.text import counted
from bakery.upstream import apt
from bakery.upstream.debian import closure
from bakery.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from bakery.recipe.plan import Image
    from bakery.scaffold.observe import Observed
    from bakery.scaffold.package import Package
    from bakery.settings import Settings
    from bakery.upstream.debian import Package as Offered


@dataclass(frozen=True, kw_only=True)
class Drafter:
    """Writes recipes of Debian packages.

    Attributes:
        name: the recipe's.
        asked: the packages; the first gives the recipe its version.
        suite: the release of Debian.
        settings: where packages come from and are kept.
        echo: told what is chosen and why.
        boot: whether to see in a boot what the image does.

    """

    name: str
    asked: tuple[str, ...]
    suite: str
    settings: Settings
    echo: Callable[[str], None]
    boot: bool

    def write(self, folder: Path, schema: str) -> None:
        """Write the recipe into an empty folder, and lock it.

        Args:
            folder: the recipe's folder, named like it.
            schema: the first line of its recipe.yaml.

        Raises:
            BakeryError: a package can't be had, or read.

        """
        offered = self._offered(self.asked)
        version = next(each.version for each in offered if each.name == self.asked[0])
        tag = debian.tag(version)
        everything = {each.name: self._read(each) for each in offered}
        plan = self._plan(everything)
        plan.asked += self._recommended(plan, everything)
        if plan.asked != [*self.asked]:
            everything |= {e.name: self._read(e) for e in self._offered(plan.asked)}
        in_all = counted(len(everything), "package")
        self.echo(f"# {self.asked[0]} {version} of {self.suite}: {in_all} in all")
        self._settle(plan, folder, schema, tag, everything)

    def _offered(self, asked: Iterable[str]) -> tuple[Offered, ...]:
        arch = ARCHITECTURES[looked_into()].debian
        wanted = Packages(suite=self.suite, names=tuple(asked), arch=arch)
        return closure(wanted, apt.mirrors(*self.settings.debian_archives))

    def _read(self, offered: Offered) -> Package:
        return packages.read(fetched(offered, self.settings), offered.url.rpartition("/")[2])

    def _plan(self, everything: Mapping[str, Package]) -> Plan:
        sources = {everything[name].source for name in self.asked}
        named = {*self.asked, *(n for n, each in everything.items() if each.source in sources)}
        order = [*self.asked, *sorted(named - set(self.asked))]
        own = [everything[name] for name in order]
        plan = Plan(name=self.name, suite=self.suite, asked=[*self.asked], own=own)
        plans.choose_root(plan)
        self.echo(f"# {plan.private or 'self-contained: its programs are binaries'}")
        plans.lay_out(plan, everything)
        if not plan.commands:
            self.echo("# beware: the packages have no program in /usr/bin or /usr/sbin")
        if not plan.start and any(each.units() for each in own):
            self.echo("# nothing is started: no unit of the packages is enabled when they are")
        elif not plan.start and any(
            p.startswith("etc/init.d/") for each in own for p in each.files
        ):
            self.echo(
                "# nothing is started: the packages have an init script and no unit; to write one: "
                f"recipes/{self.name}/files/{plans.UNITS}{self.name}.service, and start: it"
            )
        return plan

    def _recommended(self, plan: Plan, everything: Mapping[str, Package]) -> list[str]:
        """Return the recommended packages that have what scripts look for, and nobody else has."""
        has = {path for package in everything.values() for path in package.files}
        missing = {path for each in plan.own for path in each.named} - has
        names = {name for each in plan.own for name in each.recommends} - {*everything}
        found = []
        for name in sorted(names if missing else ()):
            try:
                package = next(self._read(e) for e in self._offered([name]) if e.name == name)
            except UpstreamError:
                continue
            if looked_for := missing & {*package.files}:
                self.echo(f"# {name}, which is recommended: scripts want /{min(looked_for)}")
                found.append(name)
        return found

    def _settle(
        self,
        plan: Plan,
        folder: Path,
        schema: str,
        tag: str,
        everything: Mapping[str, Package],
    ) -> None:
        """Write and stage the recipe until what it lacks is in it, or is left to people."""
        with interrupts.temporary_folder("bakery-new-") as scratch:
            tree = scratch / "tree"
            self._write(plan, folder, schema, None)
            self._lock(folder, tag)
            for _ in range(4):
                image = image_of(Recipes(folder.parent), self.name)
                shutil.rmtree(tree, ignore_errors=True)
                tree.mkdir()
                lacking = self._staged(plan, image, tree, everything)
                renamed, plan.renamed = plan.renamed, plan.renamed | plans.in_sbin(plan, tree)
                complete = lacking is not None and not lacking and renamed == plan.renamed
                if complete and not plan.renounce():
                    break
                if lacking:
                    self.echo(
                        f"# programs look for these, so they come along: {', '.join(lacking)}"
                    )
                plan.extra |= lacking or {}
                plans.lay_out(plan, everything)
                self._write(plan, folder, schema, None)
            programs, attempts = debian_texts.asked(plan)
            seen = (
                seen_in_a_boot(
                    image, tree, programs, attempts, settings=self.settings, echo=self.echo
                )
                if self.boot
                else None
            )
        self._write(plan, folder, schema, seen)
        if plan.left:
            more = f" and {len(plan.left) - 3} more" if len(plan.left) > 3 else ""  # noqa: PLR2004  a few
            self.echo(f"# left out: {'; '.join(plan.left[:3])}{more}")

    def _lock(self, folder: Path, tag: str) -> None:
        """Lock the packages; what of them is installed changes nothing about that."""
        sources = Recipes(folder.parent)
        self.echo("# locking")
        source, version = sources[self.name], Version.parse(tag)
        lock_version(source, version, sources=sources, settings=self.settings, parts={})

    def _staged(
        self, plan: Plan, image: Image, tree: Path, everything: Mapping[str, Package]
    ) -> dict[str, str] | None:
        """Stage an image, see what it breaks, and return what else is to be installed.

        None where its programs need a root of their own, or no libraries, and get that.
        """
        assets = {each.sha256: fetched(each, self.settings) for each in image.contents.assets}
        try:
            manifest = stage(image, "", assets, tree, Silent())
        except NothingDynamicError:
            plan.plain = True
            self.echo("# not self-contained: nothing needs a loader or libraries")
            return None
        except ImageError as error:
            if plan.private:
                raise
            plan.private = error.what
            self.echo(f"# private-root: {plan.private}")
            return None
        context = Context(
            name=self.name,
            arch=image.contents.arch,
            start=tuple(unit.name for unit in image.contents.start),
            manifest=manifest.unlabelled,  # labels come with the image; the folder has none
            recipe=image.source,
        )
        report = check_subject(load_folder(tree, context))
        plan.proposals = [
            finding
            for finding in dict.fromkeys(report.findings)
            if finding.rule not in {"license-file", "unit-verify"}
        ]
        plan.licences, plan.unclear = plans.licences(plan, manifest, everything)
        return plans.mentioned(plan, manifest, everything)

    def _write(self, plan: Plan, folder: Path, schema: str, seen: Observed | None) -> None:
        texts = {
            "recipe.yaml": f"{schema}\n{debian_texts.recipe(plan)}",
            "check.yaml": debian_texts.check(plan, seen),
            "README.md": debian_texts.readme(plan),
            **{f"files/{path}": text for path, text in plan.files.items()},
        }
        shutil.rmtree(folder / "files", ignore_errors=True)  # of the plan before this one
        write(texts, folder)
