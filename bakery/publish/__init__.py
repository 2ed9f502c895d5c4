"""Releases on their way to readers: a folder or GitHub, what is there, and channels."""
