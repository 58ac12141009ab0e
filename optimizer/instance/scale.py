"""How large an instance is, and which sizes are nothing beside it."""

from optimizer.instance.schema import Instance
from optimizer.tolerances import NEGLIGIBLE_SIZE, ROUNDING_SIZE


def largest_demand(instance: Instance) -> float:
    """The largest demand of one segment in one calendar year without any shock, t/yr; 0 where there is none."""
    demands, years = instance.demands.values(), instance.horizon.years
    return max((demand.quantity.at(year) for demand in demands for year in years), default=0.0)


def size_thresholds(instance: Instance) -> tuple[dict[str, float], ...]:
    """Sizes of each option that may be nothing, in its own unit, the largest thresholds first.

    A size matters where some row of the audit changes by more than its tolerance. Rows are as large as the largest
    demand or as the option, so the first thresholds are a millionth of the larger of the two, the second a millionth of
    the option. Both hold only where the audit then agrees. The last are the solver's rounding errors.
    """
    demand = largest_demand(instance)
    own = {o: getattr(option, "max_size", None) or 0.0 for o, option in instance.options.items()}
    # What is not measured in tonnes, such as a level of leverage, has no scale but its own.
    tonnes = {o for o, option in instance.options.items() if getattr(option, "unit", "t") == "t"}
    scale = {o: max(size, demand) if o in tonnes else size for o, size in own.items()}
    return (
        {o: NEGLIGIBLE_SIZE * size for o, size in scale.items()},
        {o: NEGLIGIBLE_SIZE * size for o, size in own.items()},
        {o: ROUNDING_SIZE * size for o, size in own.items()},
    )


def is_bought(instance: Instance, option: str, size: float) -> bool:
    """Whether a size, of a stockpile all that is bought, is more than the audit could tell from zero."""
    return size > size_thresholds(instance)[0][option]
