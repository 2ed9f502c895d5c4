"""Torcx images, turned into recipes and extensions."""
