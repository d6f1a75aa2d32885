"""Reference implementations, checks and tools of a course on domain adaptation and metric learning.

Importing this package is cheap: torch and the rest are imported by the modules that use them.
"""

import os

# Idle OpenMP threads that spin slow a small machine down several times as soon as anything else
# runs on it. Must be set before torch is imported; whoever set them already keeps their choice.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

__version__ = "0.1.0"
