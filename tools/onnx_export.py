"""A torch model as an ONNX file in onnxs/: exported once for everything that shapes it, checked, found again by later runs."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import logging
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence

import onnx
import torch

from tools.cache import cached_folder, key_of
from tools.errors import CaseCrash

FILE_NAME = "model.onnx"


def export(
    model: Any,
    config: Any,
    example_inputs: Sequence[Any],
    input_names: Sequence[str],
    output_names: Sequence[str],
    fingerprint: str = "",
) -> str:
    """Return the path of `model` as ONNX, weights beside it where the exporter puts them there; from the cache if it is in it.

    `example_inputs` are CPU tensors of the shapes to export, their first dimension the batch; it is left open where
    `config.dynamic_batch` says so. `fingerprint` is what else shapes the graph, such as a library's version: weights, layers,
    the model class's source, inputs, opset and torch's version are in the key anyway.
    Raises CaseCrash when the exporter or onnx.checker rejects the model.
    """
    key = key_of(
        torch.__version__, _exporter(), onnx.__version__, config.opset, config.dynamic_batch, list(input_names),
        list(output_names), [[str(tensor.dtype), list(tensor.shape)[int(config.dynamic_batch) :]] for tensor in example_inputs],
        _weights(model), repr(model), _source(model), fingerprint,
    )  # fmt: skip
    batch = "dynamic" if config.dynamic_batch else config.batch_size
    name = "{}_{}_bs{}_opset{}_{}".format(config.case, config.framework, batch, config.opset, key)
    folder = Path(config.perf_dir) / "onnxs" / name

    def make(temporary: Path) -> None:
        inputs = tuple(_shown(tensor, model, config.dynamic_batch) for tensor in example_inputs)
        _export(model, config, inputs, list(input_names), list(output_names), temporary / FILE_NAME)

    cached_folder(folder, make)
    return str(folder / FILE_NAME)


def _export(model: Any, config: Any, inputs: Any, input_names: Any, output_names: Any, path: Path) -> None:
    options: Dict[str, Any] = {"input_names": input_names, "output_names": output_names, "opset_version": config.opset}
    options.update(_exporter_options(config.dynamic_batch, inputs, input_names + output_names))
    try:
        with torch.no_grad(), _evaluating(model), _silence():
            torch.onnx.export(model, inputs, str(path), **options)
        onnx.checker.check_model(str(path))
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the exporter's
        raise CaseCrash("ONNX export failed: {}; {}".format(_cause(error), _advice(error, config))) from error


def _shown(tensor: Any, model: Any, dynamic_batch: bool) -> Any:
    """An example input where the model is; torch.export takes a dimension of 1 for a constant, so an open batch needs two."""
    if dynamic_batch and tensor.shape[0] == 1:
        tensor = torch.cat([tensor, tensor])
    return tensor.to(next((parameter.device for parameter in model.parameters()), tensor.device))


def _has_dynamo() -> bool:
    return "dynamo" in inspect.signature(torch.onnx.export).parameters and hasattr(torch, "export")


def _exporter() -> str:
    if not _has_dynamo():
        return "torchscript"
    import onnxscript  # noqa: PLC0415  (torch's newer exporter needs it, the older one does not)

    return "dynamo, onnxscript " + str(onnxscript.__version__)


def _exporter_options(dynamic_batch: bool, inputs: Any, names: Sequence[str]) -> Dict[str, Any]:
    """What differs between the exporter of torch 2 and the TorchScript one of older vendor images."""
    if not _has_dynamo():
        return {"dynamic_axes": {name: {0: "batch"} for name in names}} if dynamic_batch else {}
    options: Dict[str, Any] = {"dynamo": True, "external_data": True, "verbose": False}
    if dynamic_batch:
        batch = torch.export.Dim("batch")
        options["dynamic_shapes"] = tuple({0: batch} for _ in inputs)
    return options


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's progress, warnings and log lines from the run's own: an error is raised, and says enough."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _weights(model: Any) -> str:
    """A hash of the names, types, shapes and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for kind in (model.named_parameters(), model.named_buffers()):
        for name, tensor in kind:
            digest.update("{} {} {};".format(name, tensor.dtype, tuple(tensor.shape)).encode("utf-8"))
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _source(model: Any) -> str:
    """A hash of the source of every class of layers that is not torch's own."""
    classes = {type(module) for module in model.modules() if not type(module).__module__.startswith("torch.")}
    texts = sorted(_text(found) for found in classes)
    return hashlib.sha256("".join(texts).encode("utf-8")).hexdigest()


def _text(found: type) -> str:
    try:
        return inspect.getsource(found)
    except (OSError, TypeError):
        return found.__qualname__


def _cause(error: BaseException) -> str:
    """What an error goes back to, on one line: torch's exporter wraps it in advice for its own developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return "{}: {}".format(type(error).__name__, lines[0]) if lines else type(error).__name__


def _advice(error: BaseException, config: Any) -> str:
    """What helps: at torch.export, which comes before ONNX, no opset does."""
    untraced = type(error).__name__ == "TorchExportError"
    tried = ["change the model where torch.export cannot follow it, as at a branch on data" if untraced else ""]
    tried += ["" if untraced else "try another opset than {}".format(config.opset)]
    tried += ["try dynamic_batch: false" if config.dynamic_batch else ""]
    return "{}, or give a file of your own with exist_onnx_path; the traceback is in the log".format(
        ", ".join(filter(None, tried))
    )
