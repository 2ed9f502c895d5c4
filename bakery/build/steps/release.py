"""build and release: what lies beside the images, first unsigned, then with boots and signature."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from bakery.build.step import Made, Nothing, Step, objection
from bakery.build.steps.squashed import INVENTORY, KIND, MANIFEST, manifest
from bakery.files import remove, write_whole
from bakery.image import manifest as manifests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bakery.boot.waiver import WaivedBoot
    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.build.step import AnyStep, Work
    from bakery.build.steps.booted import Booted
    from bakery.build.steps.squashed import Squashed
    from bakery.image.manifest import Manifest
    from bakery.recipe.plan import Image, Release
    from bakery.release.boots import Boot
    from bakery.release.document import Finished, ReleasedVerity
    from bakery.release.signing import SigningKey
    from bakery.release.verity import VeritySigning


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The steps before a release, one of each for every image.

    Attributes:
        squashed: make the images.
        checked: apply the rules to them.
        booted: boot them.

    """

    squashed: tuple[Step[Squashed], ...]
    checked: tuple[AnyStep, ...]
    booted: tuple[Step[Booted], ...]

    @classmethod
    def of(
        cls,
        release: Release,
        squashed: Mapping[str, Step[Squashed]],
        checked: Mapping[str, AnyStep],
        booted: Mapping[str, Step[Booted]],
    ) -> Parts:
        """Return those of a release, from the steps by the names of images."""
        ids = [image.id for image in release.images]
        return cls(
            squashed=tuple([squashed[id_] for id_ in ids]),
            checked=tuple([checked[id_] for id_ in ids]),
            booted=tuple([booted[id_] for id_ in ids]),
        )

    def origins(self, state: State) -> list[str]:
        """Return which images were taken from which shared caches, and who vouches for that."""
        taken = ((step.name, state.origin(step)) for step in self.squashed)
        return [f"{name} {origin}" for name, origin in taken if origin]

    def boots(self, state: State) -> dict[str, tuple[Boot, ...]]:
        """Return the boots that each image has passed as the bytes that it is now."""
        facts = {step.name: state.standing(step) for step in self.booted}
        return {name: each.boots for name, each in facts.items() if each is not None}


def unsigned(context: Context, release: Release, parts: Parts, state: State) -> Step[Nothing]:
    """Return the step that completes a release's folder before anything has been booted."""

    def inputs() -> tuple[str, ...]:
        return (*_inputs(context, release), *parts.origins(state))

    return Step(
        kind="build",
        name=release.name,
        run=partial(_unsigned, context, release, parts),
        facts=Nothing,
        after=parts.checked,
        inputs=inputs,
        leftovers=(context.folder(release.name),),
        doc=release.source.recipe.summary,
    )


def step(
    context: Context, release: Release, parts: Parts, built: AnyStep, state: State
) -> Step[Nothing]:
    """Return the step that completes a release's folder: with boots, and signed if there is a key.

    Args:
        context: what steps share.
        release: what to complete.
        parts: the steps before; the boots need not be done where that is waived.
        built: the step that completes the folder before anything has been booted.
        state: tells of the boots.

    """

    def inputs() -> tuple[str, ...]:
        key = context.signing_key
        boots = msgspec.json.encode(parts.boots(state)).decode()
        return (
            *_inputs(context, release),
            boots,
            *map(str, _waived(context, release)),
            key.public.hex() if key else "",
            *_verity_inputs(context, release, signed=True),
            *parts.origins(state),
        )

    return Step(
        kind="release",
        name=release.name,
        run=partial(_run, context, release, parts),
        facts=Nothing,
        after=(*parts.checked, *_demanded(context, release, parts)),
        inputs=inputs,
        replaces=(built,),
    )


def _demanded(context: Context, release: Release, parts: Parts) -> tuple[Step[Booted], ...]:
    """Return the boots that must have been passed."""
    from bakery.boot.waiver import demanded

    return tuple(
        step
        for image, step in zip(release.images, parts.booted, strict=True)
        if demanded(context.settings, image=image.id, arch=image.contents.arch)
    )


def _waived(context: Context, release: Release) -> Sequence[WaivedBoot]:
    from bakery.boot.waiver import of_release

    return of_release(context.settings, release)


def _unsigned(context: Context, release: Release, parts: Parts, work: Work) -> Made[Nothing]:
    verity = _signing(context, release).without_key()
    return _complete(context, release, parts, work, boots={}, waived=(), key=None, verity=verity)


def _run(context: Context, release: Release, parts: Parts, work: Work) -> Made[Nothing]:
    boots = parts.boots(work.state)
    _refuse_unbooted(_demanded(context, release, parts), parts, work.state)
    if context.signing_key:
        _refuse_unvouched(release, parts, work.state)
    waived, key, verity = _waived(context, release), context.signing_key, _signing(context, release)
    return _complete(
        context, release, parts, work, boots=boots, waived=waived, key=key, verity=verity
    )


def _refuse_unbooted(demanded: Sequence[Step[Booted]], parts: Parts, state: State) -> None:
    """Refuse a record of boots that are not those of an image, wherever it comes from.

    Raises:
        ReleaseError: there is one.

    """
    from bakery.build.sharing import Part
    from bakery.release.errors import ReleaseError
    from bakery.remote.model import Blob

    for squashed, booted in zip(parts.squashed, parts.booted, strict=True):
        if booted not in demanded:
            continue
        facts, made = state.required(squashed).facts, Made(facts=state.required(booted).facts)
        blob = Blob(sha256=facts.sha256, size=facts.size)
        if why := objection(made, [Part(name=booted.name, blob=blob)], booted.misfit):
            raise ReleaseError(
                f"{booted.name} has not passed the boots that were asked for",
                why=why,
                fix=f"doit clean {booted.id}, and run the same again",
            )


def _refuse_unvouched(release: Release, parts: Parts, state: State) -> None:
    """Refuse to sign what was taken from a shared cache, and no trusted key has signed there.

    Raises:
        ReleaseError: there is such an image, check or boot.

    """
    from bakery.release.errors import ReleaseError

    for step in (*parts.squashed, *parts.checked, *parts.booted):
        origin = state.origin(step)
        if origin and not origin.signed_by:
            raise ReleaseError(
                f"{step.id} was taken from a shared cache that anyone may have written to",
                where=origin.cache,
                why="what is signed is verified: nobody whom you trust has signed this result",
                fix=f"make it here: doit clean build:{release.name}, then the same without"
                " BAKERY_REMOTE;\nor say in BAKERY_REMOTE_TRUSTED whose results count, clean it,"
                " and run the same again",
            )


def _inputs(context: Context, release: Release) -> tuple[str, ...]:
    """Return what decides a release's small files, beside its images.

    Notes compare with the version before where that was made here too. They are not signed, so
    what was here when they were written does not count.

    Raises:
        BakeryError: the release can't be made.

    """
    if release.problem:
        raise release.problem
    recipe = release.source.recipe
    values = (
        *(recipe.summary, recipe.homepage, recipe.license, recipe.tier),
        *(recipe.requires, recipe.replaces, recipe.channels, recipe.upstream),
        release.locked,
    )
    settings = context.settings
    return (
        msgspec.json.encode(values, enc_hook=str).decode(),
        *_verity_inputs(context, release, signed=False),
        settings.publish_url,
        settings.channels_url,
        settings.publisher,
    )


def _verity_inputs(context: Context, release: Release, *, signed: bool) -> tuple[str, ...]:
    """Return what decides the images for dm-verity, beside the plain ones."""
    wanted = [image.id for image in release.images if context.has_verity(image)]
    if not wanted:
        return ()
    signing = context.verity_signing
    signer = signing.signer.fingerprint if signed and signing.signer else ""
    certificates = signing.certificates.pem.decode() if signing.certificates else ""
    return (*wanted, certificates, signer)


def _signing(context: Context, release: Release) -> VeritySigning:
    """Return by whom a release's images for dm-verity are signed; nobody where it has none."""
    from bakery.release.verity import VeritySigning

    wanted = any(map(context.has_verity, release.images))
    return context.verity_signing if wanted else VeritySigning()


def _complete(
    context: Context,
    release: Release,
    parts: Parts,
    work: Work,
    *,
    boots: Mapping[str, tuple[Boot, ...]],
    waived: Sequence[WaivedBoot],
    key: SigningKey | None,
    verity: VeritySigning,
) -> Made[Nothing]:
    from bakery.release.assemble import assemble

    if release.problem:
        raise release.problem
    folder = context.folder(release.name)
    previous, before = _before(work.state, release)
    images = [
        _finished(context, image, step, work, boots=boots.get(image.id, ()), signing=verity)
        for image, step in zip(release.images, parts.squashed, strict=True)
    ]
    files = assemble(
        release,
        images,
        settings=context.settings,
        waived_boots=waived,
        key=key,
        certificates=verity.certificates,
        previous=previous,
        before=before,
    )
    made = [each.released.verity for each in images if each.released.verity]
    written = [each.file for each in made]
    kept = {*written, *(image.filename for image in release.images)}
    for path in folder.iterdir():
        if path.name not in kept:
            remove(path)
    for name, data in files.items():
        write_whole(folder / name, data)
    outputs = tuple(folder / name for name in sorted([*files, *written]))
    return Made(facts=Nothing(), outputs=outputs, note=_note(made, verity))


def _note(made: Sequence[ReleasedVerity], signing: VeritySigning) -> str:
    """Return what there is to say where hosts are to have certificates, and nobody has signed."""
    if not signing.certificates:
        return ""
    return "\n".join(
        f"{each.file} is not signed; its root hash: {each.root_hash}"
        for each in made
        if not each.signed_by
    )


def _finished(
    context: Context,
    image: Image,
    squashed: Step[Squashed],
    work: Work,
    *,
    boots: tuple[Boot, ...],
    signing: VeritySigning,
) -> Finished:
    from bakery.image import inventory
    from bakery.release import verity
    from bakery.release.document import Finished, ReleasedImage

    record = work.state.required(squashed)
    sha256, made = record.facts.sha256, None
    if context.has_verity(image):
        with context.processors.take(1):
            made = verity.write(image, context.file(image), sha256, work.scratch, signing)
    released = ReleasedImage(
        file=image.filename,
        arch=image.contents.arch,
        format=image.format,
        size=record.facts.size,
        sha256=sha256,
        key=record.key,
        contents=record.facts.contents,
        tools=record.facts.tools,
        boots=boots,
        origin=record.origin,
        verity=made,
    )
    return Finished(
        image=image,
        released=released,
        manifest=manifest(work.state, squashed),
        inventory=inventory.decode(work.state.required_attachment(squashed, INVENTORY)),
    )


def _before(state: State, release: Release) -> tuple[str | None, dict[str, Manifest]]:
    """Return the version before a release, and its manifests as far as they are here."""
    tags = release.source.lock.tags
    at = tags.index(release.version.tag)
    if at == 0:
        return None, {}
    previous = tags[at - 1]
    by_arch: dict[str, Manifest] = {}
    for image in release.images:
        arch = image.contents.arch
        data = state.attachment(KIND, f"{release.source.name}-{previous}-{arch}", MANIFEST)
        if data is not None:
            by_arch[arch] = manifests.decode(data)
    return previous, by_arch
