"""Kubernetes' release schedule: what https://kubernetes.io/releases/ is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from bakery.recipe.policy import Published
from bakery.upstream.api import day
from bakery.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import KubernetesUpstream
    from bakery.upstream.api import Api

SCHEDULE = "https://raw.githubusercontent.com/kubernetes/website/main/data/releases/schedule.yaml"


def versions(_upstream: KubernetesUpstream, api: Api) -> Iterator[Published]:
    """Yield the patch releases of all supported minors.

    Raises:
        UpstreamError: the schedule can't be had or read.

    """
    text = api.get(SCHEDULE).text
    try:
        # Versions such as 1.30 must stay text, and dates are read below
        minors = yaml.load(text, yaml.BaseLoader)["schedules"]  # noqa: S506  makes only text
        patches = [patch for minor in minors for patch in minor.get("previousPatches") or ()]
        yield from [
            Published(f"v{patch['release']}", date=day(patch.get("targetDate", "")))
            for patch in patches
        ]
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UpstreamError(
            "Kubernetes' release schedule can't be read",
            where=SCHEDULE,
            why=str(error),
            fix="look whether a proxy answered in its place, or the page has changed",
        ) from None
