"""The publisher that the settings name."""

from __future__ import annotations

import hashlib
import os
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.publish.model import Publisher
    from bakery.settings import Settings


def publisher(settings: Settings) -> Publisher:
    """Return the publisher that the settings name."""
    from bakery.publish.directory import Directory
    from bakery.publish.github import Github

    kind, _, address = settings.publisher.partition(":")
    owner = _owner(settings.dist)
    if kind == "github":
        return Github(address, owner)
    return Directory(settings.root / address, owner)


def _owner(dist: Path) -> str:
    """Return who publishes from a folder: a run of a workflow, its repetitions, or a machine."""
    run = os.environ.get("GITHUB_RUN_ID")
    where = f"{os.environ.get('GITHUB_JOB')} {run}" if run else f"{uuid.getnode()} {dist}"
    return hashlib.sha256(where.encode()).hexdigest()[:12]
