"""diversify export: the model as an MPS or LP file, in the units of the instance and with readable names."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common, options, sources, targets


@common.guarded
@options.shared
def export(
    file: options.InstanceFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="model.mps or model.lp.")],
    changes: options.Changes,
    adversary: options.ListedAttacks = False,
    least_gap: Annotated[
        bool, typer.Option("--least-gap", help="Write the first stage: floors may fail, the gap is minimised.")
    ] = False,
) -> None:
    """Write the whole model for another solver. Floors are kept unless the least gap is asked for."""
    if output.suffix not in (".mps", ".lp"):
        raise typer.BadParameter("write a name that ends in .mps or .lp.", param_hint="--output")
    targets.check_file(output, "--output", file)
    instance = sources.prepared(file, changes, lists_attacks=adversary).instance
    from optimizer.formulation import cost, gap, whole_stage
    from optimizer.solver import write_model

    stage = whole_stage(instance, instance.events)
    floors_kept = not least_gap
    for column in stage.columns:
        if floors_kept and column.mark.what == "below":
            column.upper = 0.0
    objective = gap(stage, instance) if least_gap else cost(stage, instance, instance.events)
    with targets.writing(output):
        write_model(stage, objective, output)
    common.say(f"wrote {output}: {len(stage.columns):,} columns, {len(stage.rows):,} rows")
