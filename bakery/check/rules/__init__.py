"""The rules, one idea a module."""
