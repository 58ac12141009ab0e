"""An instance file in another form: YAML, JSON or an Excel workbook, its comments kept where the form has them."""

import json
from pathlib import Path as FilePath

from optimizer.errors import OptimizerError
from optimizer.files import write_whole
from optimizer.instance.document import parse
from optimizer.instance.reading import check_document
from optimizer.io.json_schema import EDITOR_LINE, SCHEMA_FILE
from optimizer.io.load import WORKBOOK, open_document, read_comments
from optimizer.io.workbook import dump_workbook, parse_workbook
from optimizer.io.yaml_text import dump_yaml

FORMS = (".yaml", ".yml", ".json", WORKBOOK)


def convert_file(source: str | FilePath, target: str | FilePath) -> int:
    """Write an instance file in the form that the target's name says.

    The new content is read back first, and must give the same instance.

    Args:
        source: a valid instance file.
        target: a name that ends in .yaml, .yml, .json or .xlsx.

    Returns:
        The number of comments left out: JSON has none.

    Raises:
        InstanceError: with every finding of the source.
        OptimizerError: the target's name has no known form, or a value does not fit into its form.
        OSError: the target cannot be written.
    """
    form = FilePath(target).suffix.lower()
    if form not in FORMS:
        raise OptimizerError(f"{target}: write a name that ends in {', '.join(FORMS[:-1])} or {FORMS[-1]}")
    document, comments = open_document(source), read_comments(source)
    instance, _ = check_document(document)
    if form == WORKBOOK:
        content = dump_workbook(document.data, comments)
        again = parse_workbook(content, str(target))[0]
    else:
        has_schema = (FilePath(target).parent / SCHEMA_FILE).exists()
        text = (
            json.dumps(document.data, indent=1, ensure_ascii=False) + "\n"
            if form == ".json"
            else dump_yaml(document.data, comments, EDITOR_LINE if has_schema else "")
        )
        content, again = text.encode("utf-8"), parse(text, str(target))
    if check_document(again)[0] != instance:
        raise OptimizerError(f"{target} would not be the same instance; nothing was written")
    write_whole(target, content)
    return len(comments) if form == ".json" else 0
