"""diversify evaluate: the cost, survival, missing purchases and waste of given plans."""

from dataclasses import replace
from typing import Annotated

import typer

from optimizer.cli import common, inputs, options
from optimizer.errors import ExitCode


@common.understands("futures")
def command(
    file: options.InstanceFile,
    plan: Annotated[
        list[str],
        options.changes_option("--plan", metavar="PLAN", help="Plan (YAML, plan.json or builds.csv); repeatable."),
    ],
    changes: options.Changes,
    proof: options.Proof,
    adversary: options.ListedAttacks = False,
    quick: Annotated[
        bool, options.search_option("--quick", help="Leave out the optimum, what is missing and wasted.")
    ] = False,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    every: options.Every = False,
    json: options.Json = False,
    csv: options.CsvFolder = None,
    output: options.PlanOutput = None,
) -> None:
    """What does a given plan cost, survive, lack and waste?

    Rules of the instance that a plan breaks are named, and not enforced.

    Example: diversify evaluate instances/tiny.yaml --plan examples/plan.yaml
    Manual:  docs/how-to/evaluate.md
    """
    if output is not None and len(plan) > 1:
        raise typer.BadParameter("a plan file holds one plan: name one --plan.", param_hint="--output")
    common.check_answer(output, "--output", file, *plan)
    common.check_folder(csv, "--csv")

    from optimizer.solver import Settings
    from optimizer.studies.evaluate import evaluate, evaluate_futures

    made = inputs.read_instance(file, changes, lists_attacks=adversary)
    given = inputs.read_given_plans(file, plan, changes, made)
    settings = Settings(mip_gap=proof.share_of_cost, time_limit=time_limit, jobs=jobs)
    with common.display(made.instance.money, lists_tasks=True) as listener:
        judge = evaluate_futures if made.instance.futures else evaluate
        found = judge(made.instance, given, is_quick=quick, settings=settings, listener=listener, notes=made.remarks)
    common.show_findings(found.broken_rules, "plan")
    from optimizer.report.tables.evaluate import evaluation_parts

    common.print_answer(found, evaluation_parts, json=json, every=every)
    from optimizer.results.result import Result

    if output is not None:
        result = found.plans[0].result
        if isinstance(result, Result):
            result = replace(common.with_comments(result, file), changes=tuple(made.changes))
        elif found.broken_rules:
            what = f"{output} is not written: a plan file of several futures holds a plan that keeps every rule."
            common.fail(what, ExitCode.USAGE)
        common.write_answer(output, result.to_json() + "\n")
    if csv is not None:
        common.write_tables("evaluate", csv, found.frames)
    if found.stopped:
        raise typer.Exit(ExitCode.STOPPED)
    raise typer.Exit(ExitCode.SURVIVES if found.survives else ExitCode.NO_PLAN_SURVIVES)
