"""Levers from outside the package: what makes one known to whoever reads an instance."""

from typing import get_args

from optimizer.levers import KINDS, Lever, Sized, Stockpile

SHIPPED = frozenset(KINDS)


def known_from_now_on(lever: type[Lever]) -> str:
    """Make a lever one that an instance may name, in place of an earlier one from outside of the same kind.

    Returns:
        Its kind.

    Raises:
        TypeError: no subclass of `Sized` or `Stockpile`, or without a kind of its own.
        ValueError: a kind that the package has itself.
    """
    if not (isinstance(lever, type) and issubclass(lever, (Sized, Stockpile))):
        raise TypeError(f"{lever!r} is no lever: derive it from Sized, Stockpile or one of the seven")
    kinds = get_args(lever.model_fields["kind"].annotation)
    if len(kinds) != 1 or not isinstance(kinds[0], str):
        raise TypeError(f'{lever.__name__} names no kind: write `kind: Literal["…"]` in it')
    if kinds[0] in SHIPPED:
        raise ValueError(f'"{kinds[0]}" is a kind that the package has: give {lever.__name__} one of its own')
    KINDS[kinds[0]] = lever
    return kinds[0]
