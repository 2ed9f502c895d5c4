"""One module per kind of image, each with `describe` and `write`."""
