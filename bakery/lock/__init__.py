"""Locks brought up to date: versions pinned, updated, and verified against upstream."""
