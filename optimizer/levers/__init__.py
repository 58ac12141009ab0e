"""The seven levers, by `kind`. Adding one: its file, and a name here; or, from outside, `optimizer.register`."""

from pydantic import SerializeAsAny

from optimizer.levers.ally import Ally
from optimizer.levers.base import Lever, Sized
from optimizer.levers.leverage import Leverage
from optimizer.levers.partnership import Partnership
from optimizer.levers.producing import Producing
from optimizer.levers.recycling import Recycling
from optimizer.levers.refining import Refining
from optimizer.levers.stockpile import Stockpile
from optimizer.levers.substitution import Substitution

KINDS: dict[str, type[Lever]] = {
    "ally": Ally,
    "refining": Refining,
    "recycling": Recycling,
    "substitution": Substitution,
    "stockpile": Stockpile,
    "partnership": Partnership,
    "leverage": Leverage,
}

# Whatever kinds there are: every option is bought by size or is a stock, and is written with its own fields.
Option = SerializeAsAny[Sized | Stockpile]

__all__ = [
    "KINDS",
    "Ally",
    "Lever",
    "Leverage",
    "Option",
    "Partnership",
    "Producing",
    "Recycling",
    "Refining",
    "Sized",
    "Stockpile",
    "Substitution",
]
