"""From a file to an Instance, or to one InstanceError with every finding at once."""

from collections.abc import Sequence
from pathlib import Path as FilePath

from optimizer.errors import Finding, InstanceError
from optimizer.instance.document import Document
from optimizer.instance.overrides import override
from optimizer.instance.reading import checked
from optimizer.instance.schema import Instance
from optimizer.io.opening import opened


def load(path: str | FilePath, overrides: Sequence[str] = ()) -> Instance:
    """Read and check an instance file.

    Args:
        path: a YAML or JSON file, or an Excel workbook.
        overrides: assignments such as ``demands.ev_motors.survival=0.6``, checked like the file.

    Returns:
        The instance.

    Raises:
        InstanceError: with every finding, each with file, line or cell, what is wrong and the cure.
    """
    instance, _ = inspect(path, overrides)
    return instance


def inspect(path: str | FilePath, overrides: Sequence[str] = ()) -> tuple[Instance, tuple[Finding, ...]]:
    """Like `load`, with the warnings: what is allowed, but looks like a slip."""
    instance, findings, _ = inspect_document(path, overrides)
    return instance, findings


def inspect_document(
    path: str | FilePath, overrides: Sequence[str] = ()
) -> tuple[Instance, tuple[Finding, ...], Document]:
    """Like `inspect`, with the document, for findings that need more than reading: it knows the line of a place."""
    document, wrong = opened(path), list[Finding]()
    for assignment in overrides:
        try:
            override(document, assignment)
        except InstanceError as error:
            wrong += error.findings
    try:
        instance, findings = checked(document)
    except InstanceError as error:
        raise InstanceError([*wrong, *error.findings]) from None
    if wrong:
        raise InstanceError([*wrong, *findings])
    return instance, findings, document
