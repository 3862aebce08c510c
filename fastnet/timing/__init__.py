"""What `fastnet bench` and scripts/bench share: cases, interleaved timing, the machine's FMA peak and its load.

To be imported before NumPy: OpenBLAS reads its setting when it is loaded.
"""

import os

# After a product OpenBLAS's threads look for work during 2^28 cycles, a tenth of a second in which they keep a core
# from the next contestant, whose threads then share one for a second. 2^24 cycles, some milliseconds, cost NumPy
# nothing.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "24")
