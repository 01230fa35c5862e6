"""Images to calibrate with, from a folder beside those that are measured, and never any of these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List, Sequence, Set, Tuple

import torch

from benchmarks.shared.image_folder import CALIBRATION, SUFFIXES, Preparation, decoded, evaluated_folder
from tools.errors import ConfigError
from tools.limits import spread


class Images(torch.utils.data.Dataset[Any]):
    """(tensor, None) of image files."""

    def __init__(self, paths: Sequence[str], preparation: Preparation) -> None:
        self._paths, self._preparation = paths, preparation

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tuple[torch.Tensor, None]:
        return decoded(self._paths[index], self._preparation), None


def calibration_images(data_dir: str, count: int) -> List[str]:
    """Paths of `count` images, spread evenly over all in or below the calibration folder, however that is laid out.

    Raises ConfigError where there is no such folder, or where one of them is also measured, be it through a link.
    """
    folder = _folder(data_dir)
    every = _images(folder)
    chosen = [every[index] for index in spread(len(every), count)]
    both = _identities(chosen) & _identities(_images(evaluated_folder(data_dir), without=CALIBRATION))
    if both:
        raise ConfigError("{}: {} of its images are also measured; calibrate with others".format(folder, len(both)))
    return chosen


def _folder(data_dir: str) -> Path:
    """The first there is: `calibration` in `data_dir`; `calibration`, then `train` beside the `val` that is measured."""
    measured = evaluated_folder(data_dir)
    places = [Path(data_dir) / CALIBRATION]
    if measured.resolve().name == "val":
        places += [measured.resolve().parent / name for name in (CALIBRATION, "train")]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise ConfigError(
            "{}: there are no images to calibrate int8 with, and those that are measured must not be used: put some hundred "
            "others into {}, or ImageNet's folder train beside val".format(data_dir, places[0])
        )
    return found


def _images(folder: Path, without: str = "") -> List[str]:
    found: List[str] = []
    for place, folders, names in os.walk(str(folder), followlinks=True):
        folders[:] = [name for name in folders if name != without and not name.startswith(".")]
        found += [str(Path(place) / name) for name in names if name.lower().endswith(SUFFIXES)]
    if not found:
        raise ConfigError("{}: no image ({}) in or below it".format(folder, ", ".join(SUFFIXES)))
    return sorted(found)


def _identities(paths: List[str]) -> Set[Tuple[int, int]]:
    """What a file is, whatever leads to it."""
    found = (Path(path).stat() for path in paths)
    return {(facts.st_dev, facts.st_ino) for facts in found}
