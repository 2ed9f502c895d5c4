"""One client for everything that comes over HTTP."""
