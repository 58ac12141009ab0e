"""The tree of futures of an instance: every way through its questions, and the instance at the end of each."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from optimizer.errors import Finding, InstanceError
from optimizer.instance.document import Document
from optimizer.instance.overrides import BRANCH, Edit
from optimizer.instance.questions import Question
from optimizer.instance.reading import as_document, read_document
from optimizer.instance.schema import Future, FutureTree, Instance
from optimizer.instance.ways import Way, apply_branches, find_ways
from optimizer.suggestions import did_you_mean, excerpt


def make_tree(instance: Instance) -> FutureTree:
    """The futures of a checked instance.

    Raises:
        InstanceError: what a branch sets no longer fits, since the instance was changed after it was checked.
    """
    if not instance.futures:
        return FutureTree((Future("", 1.0, (), instance),))
    document = as_document(instance.to_dict(), instance.title)
    made = dict[str, Instance]()
    futures = []
    for way in find_ways(instance.futures, instance.horizon):
        key = json.dumps([branch.set for _, branch in way.changes], default=str)
        if key not in made:
            made[key] = _at_the_end(document, way)
        futures.append(Future(way.name, way.probability, way.answers, made[key]))
    return FutureTree(tuple(futures), _are_weighted(instance.futures))


def future_of(instance: Instance, name: str) -> Future:
    """The future of a name.

    Raises:
        InstanceError: there is none of this name; with the nearest that there is.
    """
    found = next((each for each in instance.tree.futures if instance.futures and each.name == name), None)
    if found is None:
        names = [each.name for each in instance.tree.futures if each.name]
        cure = "The file has none: add `futures:`, or leave it out."
        if names:
            cure = did_you_mean(name, names, f"Known: {', '.join(names[:8])}{' …' if names[8:] else ''}.")
        raise InstanceError([Finding(f"--future {name}", None, "", f'"{excerpt(name)}" is no future', cure)])
    return found


def branch_edits(instance: Instance) -> dict[str, list[Edit]]:
    """By name of a future what its branches set, in their order."""
    return {
        way.name: [
            Edit(f"{BRANCH} {place[-1]} of {place[-3]}", path, value)
            for place, branch in way.changes
            for path, value in branch.set.items()
        ]
        for way in find_ways(instance.futures, instance.horizon)
    }


def _at_the_end(document: Document, way: Way) -> Instance:
    instance, findings = read_document(apply_branches(document, way.changes))
    if instance is None or findings:
        raise InstanceError(findings)
    return instance


def _are_weighted(questions: Mapping[str, Question]) -> bool:
    return all(
        question.is_weighted and all(_are_weighted(branch.futures) for branch in question.branches.values())
        for question in questions.values()
    )


def for_each_future(instance: Instance, change: Callable[[Instance], Instance]) -> Instance:
    """The instance with a change made in every future of its tree; its own sections stay, apart from scenarios."""
    tree = instance.tree
    made = {id(future.instance): change(future.instance) for future in tree.futures}
    return with_tree(
        instance,
        replace(tree, futures=tuple(replace(future, instance=made[id(future.instance)]) for future in tree.futures)),
    )


def with_tree(instance: Instance, tree: FutureTree) -> Instance:
    """The instance whose futures are those of a tree, whatever its questions say."""
    copy = instance.replacing()
    copy.__dict__["tree"] = tree
    return copy
