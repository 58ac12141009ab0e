"""What a file says of members who may plan together: the demand of each, and what each brings."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from optimizer import shapes
from optimizer.disruptions.shock import NameList
from optimizer.units import Described, Quantity, Share

MEMBERS = "members"


def _as_shares(value: Any) -> Any:
    """Names of processes that a member brings whole, as a mapping of names to shares."""
    if isinstance(value, (list, tuple)):
        return dict.fromkeys(map(str, value), 1.0)
    return {str(value): 1.0} if isinstance(value, (str, int)) else value


class Member(Described):
    """One of those who may plan together.

    A coalition has the demand of its members, the processes and options that they bring, and all that no member brings.
    """

    demands: NameList = Field(
        default=(), description="Demand segments of this member: one or a list. Every segment belongs to one member."
    )
    processes: Annotated[
        Mapping[str, Share],
        BeforeValidator(_as_shares),
        WithJsonSchema(
            {"anyOf": [shapes.one_or_more(shapes.NAME), {"type": "object", "additionalProperties": shapes.SHARE}]}
        ),
    ] = Field(
        default_factory=dict,
        description="Existing processes that this member brings: one, a list, or {process: share of its capacity}.",
    )
    options: NameList = Field(
        default=(), description="Options that only coalitions with this member can buy: one or a list."
    )
    budget: Quantity | None = Field(
        default=None, description="What this member adds to the budget of a coalition, undiscounted, money."
    )
