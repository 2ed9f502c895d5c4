"""A release: a folder of finished files."""
