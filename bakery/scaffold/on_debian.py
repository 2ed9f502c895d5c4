"""From Debian packages to a recipe: read, laid out, locked, staged, and looked at again."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES, native_arch
from bakery.check.loader import load_folder
from bakery.check.report import check_subject
from bakery.check.subject import Context
from bakery.image.errors import ImageError
from bakery.image.stage import stage
from bakery.lock.pin import lock_version
from bakery.progress import Silent
from bakery.recipe import debian
from bakery.recipe.debian import Packages
from bakery.recipe.load import Recipes
from bakery.recipe.plan import releases
from bakery.recipe.version import Version
from bakery.scaffold import debian_plan as plans
from bakery.scaffold import debian_texts
from bakery.scaffold import package as packages
from bakery.scaffold.contents import fetched
from bakery.scaffold.debian_plan import Plan
from bakery.upstream import apt
from bakery.upstream.debian import closure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bakery.arch import Arch
    from bakery.recipe.plan import Image
    from bakery.scaffold.package import Package
    from bakery.settings import Settings
    from bakery.upstream.debian import Package as Offered

SUITE = "trixie"


@dataclass(frozen=True, kw_only=True)
class _Asset:
    url: str
    sha256: str
    size: int | None


def _arch() -> Arch:
    """Return the processor whose packages are looked into: this computer's, if it is known."""
    return next((arch for arch in ARCHITECTURES if arch == native_arch()), "x86-64")


def _image(recipes: Recipes, name: str) -> Image:
    release = releases(recipes[name])[-1]
    if release.problem:
        raise release.problem
    return next(image for image in release.images if image.contents.arch == _arch())


@dataclass(frozen=True, kw_only=True)
class Drafter:
    """Writes recipes of Debian packages.

    Attributes:
        name: the recipe's.
        asked: the packages; the first gives the recipe its version.
        suite: the release of Debian.
        settings: where packages come from and are kept.
        echo: told what is chosen and why.

    """

    name: str
    asked: tuple[str, ...]
    suite: str
    settings: Settings
    echo: Callable[[str], None]

    def write(self, folder: Path, schema: str) -> str:
        """Write the recipe into an empty folder, lock it, and return its tag.

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
        if plan.asked != [*self.asked]:
            everything |= {e.name: self._read(e) for e in self._offered(plan.asked)}
        self.echo(f"# {self.asked[0]} {version} of {self.suite}: {len(everything)} packages in all")
        self._settle(plan, folder, schema, tag, everything)
        return tag

    def _offered(self, asked: Iterable[str]) -> tuple[Offered, ...]:
        arch = ARCHITECTURES[_arch()].debian
        wanted = Packages(suite=self.suite, names=tuple(asked), arch=arch)
        return closure(wanted, apt.mirrors(*self.settings.debian_archives))

    def _read(self, offered: Offered) -> Package:
        asset = _Asset(url=offered.address, sha256=offered.sha256, size=offered.size)
        return packages.read(fetched(asset, self.settings), offered.address.rpartition("/")[2])

    def _plan(self, everything: Mapping[str, Package]) -> Plan:
        sources = {everything[name].source for name in self.asked}
        named = {*self.asked, *(n for n, each in everything.items() if each.source in sources)}
        order = [*self.asked, *sorted(named - set(self.asked))]
        own = [everything[name] for name in order]
        plan = Plan(name=self.name, suite=self.suite, asked=[*self.asked], own=own)
        plans.choose_root(plan)
        self.echo(f"# {plan.private or 'self-contained: its programs are binaries'}")
        plans.lay_out(plan, everything)
        if not plan.start and any(each.units() for each in own):
            self.echo("# nothing is started: no unit of the packages is enabled when they are")
        return plan

    def _settle(
        self,
        plan: Plan,
        folder: Path,
        schema: str,
        tag: str,
        everything: Mapping[str, Package],
    ) -> None:
        """Write and stage the recipe until what it lacks is in it, or is left to people."""
        for _ in range(3):
            self._write(plan, folder, schema)
            sources = Recipes(folder.parent)
            source, version = sources[self.name], Version.parse(tag)
            self.echo("# locking")
            lock_version(source, version, sources=sources, settings=self.settings, parts={})
            image = _image(Recipes(folder.parent), self.name)
            try:
                lacking = self._look(plan, image, everything)
            except ImageError as error:
                if plan.private:
                    raise
                plan.private = error.what
                self.echo(f"# private-root: {plan.private}")
                lacking = {"": ""}
            if not lacking and not plan.renounce():
                break
            if lacking:
                self.echo(f"# programs look for these, so they come along: {', '.join(lacking)}")
            plan.extra |= {pattern: target for pattern, target in lacking.items() if pattern}
            plans.lay_out(plan, everything)
        self._write(plan, folder, schema)
        for left in plan.left:
            self.echo(f"# left out: {left}")
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.echo(f"# written: {path.relative_to(folder.parent)}")

    def _look(self, plan: Plan, image: Image, everything: Mapping[str, Package]) -> dict[str, str]:
        """Stage an image, see what it breaks, and return what else is to be installed."""
        assets = {each.sha256: fetched(each, self.settings) for each in image.contents.assets}
        with tempfile.TemporaryDirectory(prefix="bakery-new-") as scratch:
            tree = Path(scratch, "tree")
            tree.mkdir()
            manifest = stage(image, "", assets, tree, Silent())
            context = Context(
                name=self.name,
                arch=image.contents.arch,
                start=tuple(unit.name for unit in image.contents.start),
                manifest=manifest,
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

    def _write(self, plan: Plan, folder: Path, schema: str) -> None:
        texts = {
            "recipe.yaml": f"{schema}\n{debian_texts.recipe(plan)}",
            "check.yaml": debian_texts.check(plan),
            "README.md": debian_texts.readme(plan),
            **{f"files/{path}": text for path, text in plan.files.items()},
        }
        shutil.rmtree(folder / "files", ignore_errors=True)  # of the plan before this one
        for path, text in texts.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
