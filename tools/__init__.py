"""The guest's library; importing it imports neither torch nor numpy."""

from tools.device import torch_sync

__all__ = ["torch_sync"]
