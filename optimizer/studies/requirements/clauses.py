"""The clauses of 50 U.S.C. 98h-5 on the report of stockpile requirements, and what of the study answers each.

Section 14 of the Strategic and Critical Materials Stock Piling Act; subsection (f) is that of section 1413 of the James
M. Inhofe National Defense Authorization Act for Fiscal Year 2023 (Pub. L. 117-263). Texts are those of the Code before
Pub. L. 119-60, section 1411, whose amendments of 2025 are listed where they apply.
"""

from dataclasses import dataclass
from typing import Literal

ClauseAnswer = Literal["yes", "in part", "out of reach"]


@dataclass(frozen=True)
class Clause:
    """One clause of the law.

    Attributes:
        place: section and paragraph. text: of the law, in its words.
        answer: whether the study answers it.
        where: frames and columns that do, ``frame.column``, or whole frames.
        reason: why not, or what the answer means.
    """

    place: str
    text: str
    answer: ClauseAnswer
    where: tuple[str, ...] = ()
    reason: str = ""


CLAUSES = (
    Clause(
        "98h-5(a)",
        "Not later than January 15 of every other year, the Secretary of Defense shall submit to Congress a report on "
        "stockpile requirements.",
        "out of reach",
        reason="Submission is an act of the Secretary. The workbook and the page hold what the report needs.",
    ),
    Clause(
        "98h-5(a)(1)",
        "the Secretary's recommendations with respect to stockpile requirements",
        "yes",
        ("materials.hold", "materials.buy", "holdings", "purchases"),
        "The amounts to hold are those of the least-cost plan that may buy stocks and nothing else.",
    ),
    Clause("98h-5(a)(2)", "the matters required under subsection (b)", "yes", ("assumptions",), "As (b) below."),
    Clause(
        "98h-5(b)",
        "Each report under this section shall set forth the national emergency planning assumptions used by the "
        "Secretary in making the Secretary's recommendations under subsection (a)(1) with respect to stockpile "
        "requirements.",
        "yes",
        ("assumptions", "needs"),
        "Every shock of the file, and every segment with its floor.",
    ),
    Clause(
        "98h-5(b)",
        "The Secretary shall base the national emergency planning assumptions on a military conflict scenario "
        "consistent with the scenario used by the Secretary in budgeting and defense planning purposes.",
        "out of reach",
        reason="That scenario is not public. The shocks of the file stand in its place: write it there.",
    ),
    Clause(
        "98h-5(b)(1)",
        "The length and intensity of the assumed military conflict.",
        "yes",
        ("assumptions.months", "assumptions.cuts", "assumptions.surge"),
    ),
    Clause(
        "98h-5(b)(2)",
        "The military force structure to be mobilized.",
        "out of reach",
        reason="The model has no forces. Their need enters as demand of military segments and its surge "
        "(assumptions.surge), which the planner derives from the force structure.",
    ),
    Clause(
        "98h-5(b)(3)",
        "The losses anticipated from enemy action.",
        "in part",
        ("assumptions.cuts", "assumptions.surge"),
        "Capacity that is lost is in the cuts, replacement of equipment in the surge. Losses of equipment themselves "
        "are not modelled.",
    ),
    Clause(
        "98h-5(b)(4)",
        "The military, industrial, and essential civilian requirements to support the national emergency.",
        "yes",
        ("needs.demand", "needs.requirement", "shortfalls.requirement"),
        "By segment: demand with its surge, and the part that its floor requires.",
    ),
    Clause(
        "98h-5(b)(5)",
        "The availability of supplies of strategic and critical materials from foreign sources during the mobilization "
        "period, the military conflict, and the subsequent period of replenishment, taking into consideration possible "
        "shipping losses.",
        "in part",
        ("supply.abroad_before", "supply.abroad", "supply.abroad_after"),
        "The model has no ships: a shipping loss is a cut of what is shipped, in the file.",
    ),
    Clause(
        "98h-5(b)(6)",
        "The domestic production of strategic and critical materials during the mobilization period, the military "
        "conflict, and the subsequent period of replenishment, taking into consideration possible shipping losses.",
        "yes",
        ("supply.home_before", "supply.home", "supply.home_after"),
        "Losses at home are cuts of domestic plants.",
    ),
    Clause(
        "98h-5(b)(7)",
        "Civilian austerity measures required during the mobilization period and military conflict.",
        "in part",
        ("needs.austerity", "assumptions.floors"),
        "In the conflict: demand that the floor does not require. In the mobilisation period the model asks for none.",
    ),
    Clause(
        "98h-5(c)",
        "The stockpile requirements shall be based on those strategic and critical materials necessary for the United "
        "States to replenish or replace, within three years of the end of the military conflict scenario required "
        "under subsection (b), all munitions, combat support items, and weapons systems that would be required "
        "after such a military conflict.",
        "in part",
        ("supply.home_after", "supply.abroad_after", "holdings.years_to_buy"),
        "Supply in the three years after, and how long the market takes to fill the stock again. What munitions and "
        "weapons contain is not in the model: write replacement as a surge, and a shock of which it is a part.",
    ),
    Clause(
        "98h-5(d)",
        "The Secretary shall also include in each report under this section an examination of the effect that "
        "alternative mobilization periods under the military conflict scenario required under subsection (b), as well "
        "as a range of other military conflict scenarios addressing potentially more serious threats to national "
        "security, would have on the Secretary's recommendations under subsection (a)(1) with respect to stockpile "
        "requirements.",
        "yes",
        ("cases.kind", "cases.spent", "cases.gap_left"),
        "Shocks a year earlier and later, windows half and twice as long, each shock alone, each scenario of the file.",
    ),
    Clause(
        "98h-5(e)",
        "The President shall submit with each report under this section a statement of the plans of the President for "
        "meeting the recommendations of the Secretary set forth in the report.",
        "out of reach",
        reason="A statement of intent. What the plan at hand would leave is in needs.planned and shortfalls.planned.",
    ),
    Clause(
        "98h-5(f)(1)",
        "Not later than March 1 each year, the National Defense Stockpile Manager shall provide to the congressional "
        "defense committees a briefing on strategic and critical materials that",
        "out of reach",
        reason="The briefing is an act of the Manager. What it needs follows.",
    ),
    Clause(
        "98h-5(f)(1)(A)",
        "are determined to be in shortfall in the most recent report on stockpile requirements submitted under "
        "subsection (a); and",
        "yes",
        ("materials.shortfall",),
        "Materials whose shortfall is above 0 in this study; the most recent report itself is not read.",
    ),
    Clause(
        "98h-5(f)(1)(B)",
        "the acquisition or disposal of which is included in the Annual Materials and Operations Plan for the "
        "operation of the stockpile during the next fiscal year submitted under section 98h-2(b) of this title.",
        "in part",
        ("purchases",),
        "Purchases by calendar year. The model sells no stock inside the horizon, and does not know the Annual Plan.",
    ),
    Clause(
        "98h-5(f)(2)(A)",
        "a description of each material described in that paragraph, including the objective to be achieved if funding "
        "is provided, in whole or in part, for the acquisition of the material to remedy the shortfall",
        "yes",
        ("materials", "funding", "holdings.closes"),
        "In whole: materials.left. In part: funding, and the gap that each stock closes. Pub. L. "
        "119-60, section 1411(a)(1), now asks for a list of the materials and a description of each.",
    ),
    Clause(
        "98h-5(f)(2)(B)",
        "an estimate of additional amounts required to provide such funding, if any",
        "yes",
        ("materials.spent", "materials.holding_per_year", "funding.money"),
    ),
    Clause(
        "98h-5(f)(2)(C)",
        "an assessment of the supply chain for each such material, including any assessment of any relevant risk in "
        "any such supply chain",
        "yes",
        ("chain", "times"),
        "Who makes it, how concentrated that is, and how many months floors hold when a source is cut for good.",
    ),
    Clause(
        "98h-5(f)(2)(D) to (F)",
        "(added in 2025 by Pub. L. 119-60, section 1411(a)(2) to (4); not quoted)",
        "out of reach",
        reason="The text was not available when this list was written. Read it before filing.",
    ),
)
