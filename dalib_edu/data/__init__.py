"""Pictures as tensors: embedded worlds, real folders, transforms and batches."""

from dalib_edu.data.images import ImageSet

__all__ = ["ImageSet"]
