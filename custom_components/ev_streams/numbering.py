"""Names that have to be others than those that are taken."""

from collections.abc import Collection


def numbered(name: str, taken: Collection[object], separator: str = " ") -> str:
    """Return the name, or where it is taken, with the first number that makes it another."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}{separator}{number}", number + 1
    return free
