"""The same instance with something left out, forced, or overridden by one of its scenarios."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optimizer.errors import Finding, InstanceError
from optimizer.instance.document import assign, no_such, played
from optimizer.instance.reading import checked, written
from optimizer.instance.schema import Instance
from optimizer.levers import KINDS, Sized
from optimizer.suggestions import nearest


@dataclass(frozen=True)
class Without:
    """An instance without some options, and what went in words."""

    instance: Instance
    notes: tuple[str, ...]


def without(instance: Instance, words: Sequence[str]) -> Without:
    """Leave out options, or all of a kind; options that require one of them go too.

    Raises:
        InstanceError: every word that is neither an option nor a kind.
    """
    unknown = [word for word in dict.fromkeys(words) if word not in instance.options and word not in KINDS]
    if unknown:
        raise InstanceError([_unknown(instance, word) for word in unknown])
    gone: dict[str, str] = {}
    for word in words:
        named = [o for o, option in instance.options.items() if word in (o, option.kind)]
        gone |= dict.fromkeys(named, word)
    notes = [f"Without {word}: {_listed([o for o in gone if gone[o] == word])}." for word in dict.fromkeys(words)]
    while True:
        more = {
            o: required
            for o, option in instance.options.items()
            if isinstance(option, Sized) and o not in gone
            for required in option.requires
            if required in gone
        }
        if not more:
            break
        notes += [f"{o} requires {required}, so it is left out as well." for o, required in more.items()]
        gone |= more
    forced = [o for o in instance.policy.force if o in gone]
    notes += [f"The policy forces {_listed(forced)}; that goes with it."] if forced else []
    kept = {
        o: option.model_copy(update={"excludes": tuple(other for other in option.excludes if other not in gone)})
        if isinstance(option, Sized)
        else option
        for o, option in instance.options.items()
        if o not in gone
    }
    return Without(instance.keeping(kept), tuple(notes))


def under(instance: Instance, names: str | Sequence[str]) -> Instance:
    """The instance with one of its scenarios applied, or several in the order given, and without scenarios of its own.

    Raises:
        InstanceError: there is no such scenario, or several together make no usable instance.
    """
    chosen = [names] if isinstance(names, str) else list(names)
    unknown = [no_such(name, list(instance.scenarios)) for name in chosen if name not in instance.scenarios]
    if unknown:
        raise InstanceError(unknown)
    return checked(played(written(instance.to_dict(), instance.title), *chosen))[0]


def forcing(instance: Instance, sizes: Iterable[tuple[str, int, float]]) -> Instance:
    """The instance with more that has to be bought: option, calendar year and size, as `policy.force` has them.

    Raises:
        InstanceError: what cannot be bought, with the cure.
    """
    sizes = list(sizes)
    sources = [f"--force {o}={size:g}@{year}" for o, year, size in sizes]
    document = written(instance.to_dict(), " ".join(sources))
    for (o, year, size), source in zip(sizes, sources, strict=True):
        assign(document, ("policy", "force", o, str(year)), size, Finding(source, None, "", "", ""))
    return checked(document)[0] if sizes else instance


def with_value(instance: Instance, path: str, value: object, source: str) -> Instance:
    """The instance with a value at a dotted path; `source` is what findings about it name.

    Raises:
        InstanceError: it makes no usable instance.
    """
    document = written(instance.to_dict(), instance.title)
    assign(document, path, value, Finding(source, None, "", "", ""))
    return checked(document)[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "the instance has none"


def _unknown(instance: Instance, word: str) -> Finding:
    known = [*instance.options, *KINDS]
    near = nearest(word, known)
    cure = f'Did you mean "{near}"?' if near else f"Name an option, or a kind: {', '.join(KINDS)}."
    return Finding(f"--without {word}", None, "", f'"{word}" is neither an option nor a kind of option', cure)
