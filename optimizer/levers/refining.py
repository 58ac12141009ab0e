"""Refining: domestic separation, metal or magnet making; rows as in `producing`."""

from typing import ClassVar, Literal

from optimizer.levers.base import Labels
from optimizer.levers.producing import Producing


class Refining(Producing):
    """A new process at home."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=1)
    is_at_home: ClassVar[bool] = True

    kind: Literal["refining"]
