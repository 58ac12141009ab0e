"""The band of a plan's figures: the best plan of each sample of the numbers that have a range; kept beside its file.

The file `<name>.bands.json` holds the band and the checksum of the instance that it is of, so that the band of another
instance, or of an earlier state of the file, is never shown.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from optimizer.errors import PlanFileError
from optimizer.files import write_whole
from optimizer.results.saved import digest

SUFFIX = ".bands.json"
FORMAT_OF_BANDS = 1


@dataclass(frozen=True)
class Spread:
    """One figure over the samples: its 5 %, 50 % and 95 % quantiles and its mean, money."""

    p5: float
    p50: float
    p95: float
    mean: float


@dataclass(frozen=True)
class Bands:
    """What the best plan comes to where every number with a range lies anywhere in it.

    Attributes:
        numbers: how many have a range. samples, used, seed: how many were drawn; how many have a plan; the seed.
        survived: the share of those used in which every floor is kept.
        cost, outlay, gap: of the best plan of each sample; total cost in present value, outlay undiscounted.
        bought: by option, the share of samples in which it is bought.
    """

    numbers: int
    samples: int
    used: int
    seed: int
    survived: float
    cost: Spread
    outlay: Spread
    gap: Spread
    bought: Mapping[str, float]


def bands_path(file: str | FilePath) -> FilePath:
    """Where the band of an instance file is kept."""
    return FilePath(file).with_suffix(SUFFIX)


def store_bands(file: str | FilePath, data: Mapping[str, Any], bands: Bands) -> FilePath:
    """Write the band of an instance, as a mapping, beside its file; the path.

    Raises:
        OSError: it cannot be written.
    """
    path = bands_path(file)
    kept = {"format": FORMAT_OF_BANDS, "instance": digest(data), "bands": asdict(bands)}
    write_whole(path, json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def stored_bands(file: str | FilePath, data: Mapping[str, Any]) -> Bands | None:
    """The band that is kept beside an instance file; None where there is none, or one of another instance.

    Raises:
        PlanFileError: the file that keeps it is damaged.
    """
    path = bands_path(file)
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        is_same = kept["format"] == FORMAT_OF_BANDS and kept["instance"] == digest(data)
        return TypeAdapter(Bands).validate_python(kept["bands"]) if is_same else None
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        cure = "Delete it, or run `diversify sensitivity` with --samples and --store again."
        raise PlanFileError(f"{path}: not a band as `diversify sensitivity --store` writes it. {cure}") from error
