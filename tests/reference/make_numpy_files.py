"""Writes the NPY and NPZ files of tests/runtime/numpy with NumPy itself: python3 make_numpy_files.py OUT."""
import sys

import numpy as np

out = sys.argv[1]
values = np.arange(24).reshape(4, 2, 3)
for name, array in {
    "f2": (values / 8 - 1).astype("<f2"),
    "f4": (values / 8 - 1).astype("<f4"),
    "f8_big": (values / 8 - 1).astype(">f8"),
    "f4_columns": np.asfortranarray((values / 8 - 1).astype("<f4")),
    "u1": values.astype("u1"),
    "i2_big": (values - 12).astype(">i2"),
    "u4": values.astype("<u4"),
    "i8": (values - 12).astype("<i8"),
    "bool": (values % 2 == 1),
}.items():
    np.save(f"{out}/{name}.npy", array)
x, y = (values / 8 - 1).astype("f4"), np.array([3, 1, 0, 2])
np.savez(f"{out}/stored.npz", a=x, b=values, target=y)
np.savez_compressed(f"{out}/packed.npz", target=y, a=x, b=values, unused=np.array(["text"]))
