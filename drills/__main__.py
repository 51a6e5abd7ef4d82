"""`python -m drills`: the command, where its script is not on PATH."""

from drills.cli import main

if __name__ == "__main__":
    main()
