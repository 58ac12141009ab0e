"""What every field of an instance file means, with its unit: the words that an editor shows.

By class and field, as the file spells it; a class has the words of the classes that it is derived from. *Money* is the
currency of the file; a *series* is a number, or years with values: linear between them, flat outside.
"""

from collections.abc import Mapping

_STRUCK = {
    "deliberate": "Whether somebody does this on purpose: only then leverage restrains it.",
    "cuts": "What loses capacity: a list of targets with their severity.",
    "demand": "By segment: what its demand is multiplied by meanwhile.",
    "cost": "By process, process option or substitution: what its cost is multiplied by meanwhile.",
    "survival": "By segment: the floor that stands in place of its own meanwhile, a share from 0 to 1.",
    "reliability": "By partnership: the reliability that stands in place of its own meanwhile, a share from 0 to 1.",
}
_DRAWN = {
    **_STRUCK,
    "months": "Length of the window, months: a number or a distribution; rounded to whole periods, at least one.",
    "scale": "A number or a distribution by which all severities of one sample are multiplied, clipped to 1.",
}

GLOSSARY: Mapping[str, Mapping[str, str]] = {
    "Described": {
        "name": "The name that is printed.",
        "source": "Where the numbers come from.",
        "note": "Whatever else should be known.",
    },
    "Instance": {
        "description": "What the instance is about, in a sentence or two.",
        "currency": "Label of all money, its code first, then the year of its prices: USD of 2025.",
        "horizon": "The calendar years that are planned for, and the step of time.",
        "discount_rate": "Per year: 0.03 is 3 %. Default 0.",
        "home": "The home region; `home` is an alias of it wherever a region is named.",
        "regions": "Names of regions for reading, by the word that stands for each elsewhere: {eu: {name: EU}}.",
        "commodities": "Materials at one stage each, by name.",
        "processes": "What exists: activities in a region that turn inputs into outputs, by name.",
        "demands": "Segments: what is used, how much of it has to be served in any shock, by name.",
        "options": "What money can buy, by name; `kind` says which of the levers it is.",
        "shocks": "What may happen, by name.",
        "ensembles": "Shocks that are drawn at random, by name.",
        "policy": "Budgets, shares, times to survive, and what has to be bought.",
        "adversary": "Who buys the worst attack that the attack budget pays for.",
        "scenarios": "Named sets of overrides of this file: {dotted.path: value}.",
        "ranges": "Uncertain numbers, by dotted path or pattern: {options.*.capex: {low: 0.8, high: 1.5, of: value}}.",
    },
    "Horizon": {
        "start": "First calendar year.",
        "end": "Last calendar year, inclusive.",
        "step": "Length of a period: year, quarter or month.",
        "decide": "How often investments are decided: year (default), quarter or month.",
    },
    "Activity": {
        "region": "The region that it stands in; cuts and policy shares go by it.",
        "stage": "The stage of the chain, such as mine, separation, metal, magnet; cuts go by it.",
        "input": "By commodity: t taken per t of activity.",
        "output": "By commodity: t given per t of activity; several at once where the ore decides the basket.",
        "cost": "Whole cost of operation, money per t of activity; a series. May be negative: a surplus that sells.",
        "support": "Price floor paid on activity in the baseline, money per t; a series. It is the budget's as well.",
        "min_utilisation": "Least share of capacity that runs in the baseline, 0 to 1.",
    },
    "Process": {"capacity": "What our demand can call on here, t of activity per year; a series."},
    "Demand": {
        "commodity": "The commodity that the segment uses.",
        "quantity": "What it uses, t per year; a series.",
        "survival": "Survival floor: the share of demand to be served in every shock, 0 to 1; a series. Default 0.",
        "shortage_cost": "What a tonne not served costs, money per t.",
        "end_of_life": "What comes back as scrap, years after it was sold.",
    },
    "EndOfLife": {
        "commodity": "The scrap commodity that it comes back as.",
        "after_years": "Whole years from sale to scrap.",
        "collection_rate": "Share of what was sold that comes back, 0 to 1. Default 1.",
        "past_quantity": "What was sold before the horizon, t per year; a series.",
    },
    "Lever": {
        "kind": "Which lever it is.",
        "earliest": "First calendar year in which it may be decided. Default: the start of the horizon.",
        "latest": "Last calendar year in which it may be decided. Default: the end of the horizon.",
        "budget_share": "The part of its outlay that is the budget's, 0 to 1; all of it is cost. Default 1.",
    },
    "Sized": {
        "lead_time": "Months from decision to work, rounded up to whole periods.",
        "max_size": "The most that can be bought in all: t per year, or a level up to 1 of leverage.",
        "capex": "Money per unit of size; a series by year of decision.",
        "fixed_cost": "Money, once, whatever the size. It makes the option lumpy: opened once or not at all.",
        "min_size": "The least that can be bought, in the unit of size. It makes the option lumpy.",
        "unit_size": "Size comes in whole multiples of this.",
        "fixed_opex": "Money per unit of size and year, once the lead time is over.",
        "ramp": "Share of size that works in the 1st, 2nd, … twelve months after the lead time; the last stays.",
        "requires": "An option, or a list, that is opened no later. All of them have to be lumpy.",
        "excludes": "An option, or a list, that is not opened as well. All of them have to be lumpy.",
    },
    "Substitution": {
        "demand": "The segment that it serves without the commodity.",
        "max_share": "The most of the segment's demand that it can serve, a share from 0 to 1. Default 1.",
        "cost": "Whole cost of the alternative, money per t substituted; a series.",
        "input": "By commodity: t that it takes per t substituted.",
    },
    "Stockpile": {
        "commodity": "What is held.",
        "price": "What a purchase costs, money per t; a series.",
        "holding_cost": "Money per t and year.",
        "fill_rate": "The most that can be bought, t per year: the market's limit. Default: no limit.",
        "release_rate": "The most that can be released in a shock, t per year. Default: no limit.",
        "release_cost": "Money per t released.",
        "loss": "Share that a year loses, 0 to 1.",
        "initial": "What is there before the first period, t.",
        "salvage": "Share of the last price that what is left at the end brings back, 0 to 1.",
        "max_size": "The most that can be held, t. Default: no limit.",
    },
    "Partnership": {
        "process": "The existing process that the deal is about.",
        "reliability": "Share of what was agreed that flows in a cut, 0 to 1. Default 1.",
    },
    "Leverage": {
        "region": "The region that would lose something as well.",
        "restraint": "Share of a deliberate cut that the full level holds back, 0 to 1.",
        "erosion": "Share of the level that a year takes away, 0 to 1.",
    },
    "Target": {
        "region": "Strikes what stands in this region, or in any of a list.",
        "stage": "Strikes what is of this stage, or of any of a list.",
        "process": "Strikes this process or option, or any of a list.",
        "commodity": "Strikes what makes this commodity, or any of a list.",
    },
    "AdversarySpec": {
        "attack_budget": "What the adversary can spend on one attack, in any unit.",
        "months": "Length of an attack, months: whole periods.",
        "starts": "Periods in which it may begin: one, a list, or {from, to, every}.",
        "targets": "What the adversary can strike, by name.",
    },
    "AttackTarget": {
        "price": "What striking it costs the adversary, in the unit of attack_budget.",
        "cuts": "What loses capacity when it is struck.",
        "deliberate": "Whether leverage restrains it. Default true.",
    },
    "Cut": {
        "deliberate": "In place of what the shock, the event or the target says, for this cut alone.",
        "severity": "Share of capacity that is lost, 0 to 1; a list is a profile by period of which the last stays. "
        "Left out only where `grid` has it.",
    },
    "DrawnCut": {
        "severity": "Share of capacity that is lost: a number, a distribution, or a list of them by period.",
        "draw": "A word: cuts that share it move together.",
    },
    "ShockSpec": {
        "start": "First period of the window: 2027, 2027Q3 or 2027-07; a list; or {from, to, every}.",
        "months": "Length of the window, months: whole periods; a list makes a family.",
        "probability": "Over the horizon, 0 to 1; shared equally by the events of the entry. Default 0.",
        "grid": "Durations and severities that a family runs through.",
        **_STRUCK,
    },
    "Grid": {
        "severity": "A list of severities: that of all cuts of the entry, one event each.",
        "months": "A list of durations, months, one event each.",
    },
    "EnsembleSpec": {
        "count": "How many samples are drawn.",
        "seed": "The same seed gives the same samples. Default 0.",
        "probability": "Over the horizon, 0 to 1; shared equally by the samples. Default 0.",
        "start": "Periods of which each is equally likely: one, a list, {from, to, every} or {uniform: [first, last]}.",
        "events": "What may happen, by name; one is drawn for each sample, by weight.",
        **_DRAWN,
    },
    "Event": {**_DRAWN, "weight": "How likely it is beside the others. Default 1."},
    "RangeSpec": {
        "low": "The lower end of the number; with `of: value` a factor.",
        "high": "The upper end of the number; with `of: value` a factor.",
        "of": "value: the ends are factors of the number, or of all numbers of a series or list.",
        "draw": "A word: ranges that share it move together.",
    },
    "Policy": {
        "budget": "The most outlay, undiscounted, money.",
        "annual_budget": "The most outlay in each calendar year, money; a series.",
        "max_share": "The most of a commodity's production that may come from a region or a kind: a list of rules.",
        "min_share": "The least of a commodity's production that has to come from a region or a kind: a list of rules.",
        "min_time_to_survive": "Cuts after which every floor has to hold for so long: a list of rules.",
        "force": "By option: the size bought in each calendar year, no more and no less: {option: {2027: 40}}.",
    },
    "ShareRule": {
        "commodity": "The commodity whose production is counted.",
        "region": "Counts what stands in this region.",
        "kind": "Counts what is of this kind of lever: ally, refining or recycling.",
        "share": "A share from 0 to 1.",
        "from": "First calendar year in which the rule holds. Default: the start of the horizon.",
    },
    "SurvivalRule": {
        "cuts": "What is cut for good.",
        "months": "For how many months every floor has to hold.",
        "from": "First calendar year in which the rule holds. Default: the start of the horizon.",
        "deliberate": _STRUCK["deliberate"],
    },
}


def words(model: type, field: str) -> str:
    """What a field of a class means, as the file spells it; empty where nobody says."""
    said = (GLOSSARY.get(each.__name__, {}).get(field) for each in model.__mro__)
    return next((text for text in said if text), "")
