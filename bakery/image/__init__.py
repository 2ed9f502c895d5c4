"""How an image comes about: stage, relocate, squash."""
