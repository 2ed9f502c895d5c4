"""News about locks and upstreams: as text for terminals, as Markdown for pull requests."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bakery import markdown as md
from bakery.text import plain_table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from bakery.errors import BakeryError
    from bakery.lock.update import Standing, Update
    from bakery.lock.verify import Confirmation


def standings(recipes: Sequence[Standing], today: dt.date, *, markdown: bool) -> str:
    """Return a table of where recipes stand beside their upstreams."""
    head = ["recipe", "locked", "newest", "age", "policy", "to lock"]
    rows = [
        [
            standing.name,
            standing.locked or "-",
            standing.newest.tag if standing.newest else "?" if standing.failure else "-",
            _age(standing, today),
            standing.policy,
            ", ".join(standing.missing),
        ]
        for standing in recipes
    ]
    return md.text_table(head, rows) if markdown else plain_table(head, rows)


def _age(standing: Standing, today: dt.date) -> str:
    date = standing.newest.date if standing.newest else None
    return f"{(today - date).days} d" if date else "-"


def update_line(update: Update) -> str:
    """Return in one line what became of a recipe."""
    done = [
        *(f"locked {tag}" for tag in update.added),
        *(f"locked {tag} anew, to fit the recipe" for tag in update.mended),
        *(f"dropped {tag}" for tag in update.pruned),
    ]
    if update.sized:
        done.append(f"added sizes to {', '.join(update.sized)}")
    if update.failures:
        done.append(f"{len(update.failures)} failed")
    return f"{update.name}: {', '.join(done) or 'nothing to do'}"


def updates(done: Iterable[Update]) -> str:
    """Return a table of what was updated, as Markdown; recipes with nothing to do stay out."""
    rows = [
        [update.name, *(", ".join(tags) for tags in (update.added, update.mended, update.pruned))]
        for update in sorted(done, key=lambda update: update.name)
        if update.added or update.mended or update.pruned
    ]
    head = ["recipe", "locked", "locked anew", "dropped"]
    return md.text_table(head, rows) if rows else "Nothing to update."


def confirmations(assets: Sequence[Confirmation], *, markdown: bool) -> str:
    """Return a table of how the assets of each version were confirmed."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for confirmation in assets:
        kind = "CHANGED" if confirmation.is_alarm else confirmation.confirmed or "failed"
        counts.setdefault((confirmation.name, confirmation.tag), Counter())[kind] += 1
    head = ["recipe", "version", "assets", "confirmed by"]
    rows = [
        [*which, str(kinds.total()), ", ".join(f"{kind} ({n})" for kind, n in kinds.items())]
        for which, kinds in counts.items()
    ]
    return md.text_table(head, rows) if markdown else plain_table(head, rows)


def failures(named: Iterable[tuple[str, BakeryError]]) -> str:
    """Return what went wrong, by recipe, as Markdown; empty where nothing did."""
    sections = [f"**{md.escape(name)}**\n{md.block(error.render())}" for name, error in named]
    return "\n".join(["", "### Failed", *sections]) if sections else ""
