"""Names for the array types that pass between the parts of the simulator."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Complex64s = npt.NDArray[np.complex64]
Int8s = npt.NDArray[np.int8]
