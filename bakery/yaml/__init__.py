"""YAML files as nodes that know where they stand, and as typed values; knows no recipe."""
