"""resnet50: transformers' ResNet as ResNet-50 v1.5, on a folder of images or on synthetic ones."""

from benchmarks.resnet50.pytorch.dataloader import build_calibration, build_dataloader
from benchmarks.resnet50.pytorch.model import create_model, describe, export_model
from benchmarks.resnet50.pytorch.scoring import engine_forward, model_forward
from benchmarks.shared.classification import top1 as evaluator
