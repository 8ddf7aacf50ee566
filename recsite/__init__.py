"""The project: settings, addresses, and the doors of its processes."""

import os

# numpy reads it once, when it is loaded. A second thread gains nothing on one person's list but
# spins while it waits: a hybrid's list on two cores cost 7.9 ms of CPU instead of .4.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
