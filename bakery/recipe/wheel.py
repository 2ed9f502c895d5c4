"""What the name of a wheel says: PROJECT-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl.

https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WheelName:
    """What the name of a wheel says.

    Attributes:
        version: the project's version, normalised.
        abis: which interpreters it fits; only `none` where it holds no code for one.
        platforms: the platform tags, sorted.

    """

    version: str
    abis: frozenset[str]
    platforms: tuple[str, ...]

    @classmethod
    def parse(cls, filename: str) -> WheelName | None:
        """Return what a file's name says; None where it is no wheel's."""
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        try:
            _, version, _, tags = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            return None
        return cls(
            version=str(version),
            abis=frozenset(tag.abi for tag in tags),
            platforms=tuple(sorted({tag.platform for tag in tags})),
        )

    def is_version(self, version: str) -> bool:
        """Return whether it is of a version, however that is written."""
        from packaging.utils import canonicalize_version

        return canonicalize_version(version) == canonicalize_version(self.version)
