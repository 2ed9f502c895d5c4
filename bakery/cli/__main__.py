"""`python -m bakery.cli` is the `bakery` command."""

from bakery.cli import main

main()
