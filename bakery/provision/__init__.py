"""Bring extensions to hosts: configurations for new ones, and files for a mounted root."""
