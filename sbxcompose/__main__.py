"""`python -m sbxcompose`."""

from sbxcompose.cli.entry import main

if __name__ == "__main__":
    main()
