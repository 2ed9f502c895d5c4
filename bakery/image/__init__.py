"""How an image comes about: unpack, stage, squash."""
