"""diversify export: the model as an MPS or LP file, in the units of the instance and with readable names."""

from pathlib import Path
from typing import Annotated

from optimizer import arguments
from optimizer.cli import common, inputs, options


@common.understands("measures")
def command(
    file: options.InstanceFile,
    output: Annotated[Path, options.answer_option("--output", "-o", metavar="FILE", help="model.mps or model.lp.")],
    changes: options.Changes,
    adversary: options.ListedAttacks = False,
    least_gap: Annotated[
        bool, options.answer_option("--least-gap", help="Minimise the survival gap instead of keeping every floor.")
    ] = False,
) -> None:
    """Write the model as an MPS or LP file for another solver.

    Of a file with several futures it is the model of one: name it by --future NAME.

    Example: diversify export instances/tiny.yaml --output model.mps
    Manual:  docs/how-to/convert.md
    """
    arguments.file_path("output", output, (".mps", ".lp"))
    common.check_file(output, "--output", file)
    instance = inputs.read_instance(file, changes, lists_attacks=adversary).instance
    from optimizer.algorithms.problem import MeasuredModel
    from optimizer.solver import Clock, Settings, ignore, write_model

    if instance.policy.objective.kind == "regret":
        # Regret in one future is the cost less a constant, which would take another search: both have the same optimum.
        instance = instance.by_expected_cost()
    model = MeasuredModel(instance, instance.events, Settings(), Clock(), ignore)
    builder, is_priced = model.builder, instance.policy.gap_price is not None
    for column in builder.columns:
        if column.mark.what == "below" and not (least_gap or is_priced):
            column.upper = 0.0
    objective = model.gap if least_gap else model.objective
    with common.writing(output):
        write_model(builder, objective, output)
    common.print_message(f"wrote {output}: {len(builder.columns):,} columns, {len(builder.rows):,} rows")
