"""``python -m sertool``, and the console script."""

from sertool.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
