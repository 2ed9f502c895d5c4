"""The `bakery` command: Ctrl-C needs no traceback, however early it comes."""

from bakery import interrupts


def main() -> None:
    """Run it."""
    interrupts.install()
    from bakery.cli import main as command

    command()


if __name__ == "__main__":
    main()
