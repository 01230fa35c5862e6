"""digits: scikit-learn's 1,797 images and a small CNN whose weights are in this folder."""

from benchmarks.digits.pytorch.dataloader import build_calibration, build_dataloader
from benchmarks.digits.pytorch.model import create_model, describe, export_model
from benchmarks.shared.classification import engine_forward, model_forward
from benchmarks.shared.classification import top1 as evaluator
