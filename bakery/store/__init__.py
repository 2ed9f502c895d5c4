"""Bytes by digest: a local folder, filled by verified, resumable downloads."""
