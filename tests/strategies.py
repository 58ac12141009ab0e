"""Hypothesis instances, once: small, of every lever, with floors that can and cannot be kept."""

from typing import Any

from hypothesis import strategies as st

AMOUNT = st.floats(1, 100).map(lambda value: round(value, 2))
SHARE = st.floats(0, 1).map(lambda value: round(value, 3))


def producing(kind: str, region: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just(kind),
            "region": st.just(region),
            "stage": st.just("magnet"),
            "input": st.just({"scrap": 1.5} if kind == "recycling" else {}),
            "output": st.just({"magnet": 1.0}),
            "cost": AMOUNT,
            "capex": AMOUNT,
            "max_size": AMOUNT,
            "lead_time": st.sampled_from([0, 6, 12]),
            "ramp": st.sampled_from([[1], [0.5, 1]]),
            "fixed_opex": st.sampled_from([0, 1.5]),
            "min_utilisation": st.sampled_from([0, 0.3]),
            "support": st.sampled_from([0, 2.0]),
            "restart_months": st.sampled_from([0, 0, 5]),
        },
        optional={"fixed_cost": AMOUNT, "min_size": st.just(0.5)},
    )


OPTION = st.one_of(
    producing("ally", "friend"),
    producing("refining", "home"),
    producing("recycling", "home"),
    st.fixed_dictionaries(
        {
            "kind": st.just("substitution"),
            "demand": st.just("cars"),
            "max_share": SHARE,
            "cost": AMOUNT,
            "capex": AMOUNT,
            "max_size": AMOUNT,
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("stockpile"),
            "commodity": st.just("magnet"),
            "price": AMOUNT,
            "holding_cost": st.sampled_from([0, 1.0]),
            "loss": st.sampled_from([0, 0.1]),
            "max_size": AMOUNT,
            "release_rate": AMOUNT,
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("partnership"),
            "process": st.just("imports"),
            "reliability": SHARE,
            "capex": AMOUNT,
            "max_size": AMOUNT,
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("leverage"),
            "region": st.just("rival"),
            "restraint": SHARE,
            "erosion": st.sampled_from([0, 0.2]),
            "capex": AMOUNT,
            "max_size": st.just(1),
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("leverage"),
            "region": st.just("rival"),
            "restraint": SHARE,
            "strength": st.sampled_from([[1, 0.5, 0], [0.3, 0.7, 1.4], 0.6]),
            "capex": AMOUNT,
            "max_size": st.just(1),
        }
    ),
)

SHOCK = st.fixed_dictionaries(
    {
        "start": st.sampled_from([2027, 2028, "2027Q3"]),
        "months": st.sampled_from([6, 12]),
        "deliberate": st.booleans(),
        "cuts": st.lists(
            st.fixed_dictionaries(
                {"region": st.sampled_from(["rival", "friend"]), "severity": SHARE},
                optional={"deliberate": st.booleans()},
            ),
            min_size=1,
            max_size=2,
        ),
    },
    optional={"demand": st.just({"defence": 1.4}), "survival": st.just({"cars": 0.2})},
)


@st.composite
def instances(draw: st.DrawFn) -> dict[str, Any]:
    """An instance as a mapping; two segments, half-year windows on a quarterly axis."""
    options = draw(st.lists(OPTION, min_size=1, max_size=4))
    shocks = draw(st.lists(SHOCK, min_size=1, max_size=3))
    probable = draw(st.booleans())
    if probable:
        shocks = [shock | {"probability": 0.2} for shock in shocks]
    return {
        "name": "drawn",
        "horizon": {"start": 2026, "end": 2028, "step": "quarter"},
        "discount_rate": draw(st.sampled_from([0, 0.05])),
        "home": "home",
        "commodities": {"magnet": {}, "scrap": {}},
        "processes": {
            "imports": {
                "region": "rival", "stage": "magnet", "output": {"magnet": 1}, "capacity": 150, "cost": draw(AMOUNT)
            },
            "pal": {
                "region": "friend", "stage": "magnet", "output": {"magnet": 1}, "capacity": 20, "cost": 40,
                "restart_months": draw(st.sampled_from([0, 4.5])),
            },
        },
        "demands": {
            "cars": {
                "commodity": "magnet", "quantity": 60, "survival": draw(SHARE), "shortage_cost": 300,
                "end_of_life": {"commodity": "scrap", "after_years": 1, "collection_rate": 0.3, "past_quantity": 50},
            },
            "defence": {
                "commodity": "magnet", "quantity": {2026: 20, 2028: 30}, "survival": draw(SHARE),
                "shortage_cost": draw(st.sampled_from([900, 900, 0])),
            },
        },
        "options": {f"option{i}": option for i, option in enumerate(options)},
        "shocks": {f"shock{i}": shock for i, shock in enumerate(shocks)},
        "policy": draw(st.sampled_from([{}, {"budget": 500}, {"budget": 3000}])),
    }  # fmt: skip


TARGET = st.fixed_dictionaries(
    {
        "price": st.integers(0, 5),
        "cuts": st.lists(
            st.fixed_dictionaries(
                {"severity": st.one_of(SHARE, st.lists(SHARE, min_size=2, max_size=3))},
                optional={"deliberate": st.booleans()},
            ).flatmap(
                lambda cut: st.sampled_from(
                    [
                        cut | {"region": "rival"},
                        cut | {"region": ["friend", "home"]},
                        cut | {"process": "pal"},
                        cut | {"stage": "magnet"},
                    ]
                )
            ),
            min_size=1,
            max_size=2,
        ),
    },
    optional={"deliberate": st.booleans()},
)


@st.composite
def besieged(draw: st.DrawFn) -> dict[str, Any]:
    """The same with an adversary."""
    targets = draw(st.lists(TARGET, min_size=1, max_size=5))
    adversary = {
        "attack_budget": draw(st.integers(0, 9)),
        "months": draw(st.sampled_from([3, 6, 12])),
        "starts": draw(st.sampled_from([["2027Q2"], [2027, "2028Q3"], {"from": 2026, "to": 2028, "every": "year"}])),
        "targets": {f"target{i}": target for i, target in enumerate(targets)},
    }
    return draw(instances()) | {"adversary": adversary}


@st.composite
def deterring(draw: st.DrawFn) -> dict[str, Any]:
    """The same with leverage that is sold in halves, and deters."""
    data = draw(besieged())
    data["options"]["chips"] = {
        "kind": "leverage",
        "region": "rival",
        "restraint": draw(st.sampled_from([0, 0.3])),
        "capex": draw(st.sampled_from([100, 1000, 8000])),
        "max_size": 1,
        "unit_size": 0.5,
        "lead_time": draw(st.sampled_from([0, 9])),
        "strength": draw(st.sampled_from([[1, 0.5], [0.4, 1.5], 1])),
    }
    data["adversary"]["attack_budget"] = draw(st.integers(3, 9))
    for target in data["adversary"]["targets"].values():
        target["deterrence"] = {"chips": draw(st.integers(0, 8))}
    return data


TONNES = (
    "quantity",
    "capacity",
    "max_size",
    "min_size",
    "unit_size",
    "release_rate",
    "fill_rate",
    "initial",
    "past_quantity",
)
PER_TONNE = ("cost", "capex", "support", "shortage_cost", "price", "holding_cost", "release_cost", "fixed_opex")
MONEY = (*PER_TONNE, "fixed_cost", "budget", "annual_budget")


def scaled(data: Any, money: float, mass: float, key: str = "") -> Any:
    """The same instance in another currency and another unit of mass; levels of leverage have no mass."""
    if isinstance(data, dict):
        mass_here = 1.0 if data.get("kind") == "leverage" else mass
        return {
            name: scaled(value, money, mass_here, key if isinstance(name, int) else name)
            for name, value in data.items()
        }
    if isinstance(data, list):
        return [scaled(item, money, mass, key) for item in data]
    if isinstance(data, str) or key not in (*TONNES, *MONEY):
        return data
    factor = mass if key in TONNES else 1.0
    factor *= money if key in MONEY else 1.0
    return data * factor / (mass if key in PER_TONNE else 1.0)
