"""A small store of recent results, shared by the threads of one process."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Keep the last `size` results by key, computed outside the lock; None is never kept."""

    def __init__(self, size: int) -> None:
        """Start empty."""
        self._size = size
        self._results: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result for a key, computed when it is not there."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        result = compute()
        if result is None:
            return result
        with self._lock:
            self._results[key] = result
            while len(self._results) > self._size:
                self._results.popitem(last=False)
        return result

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._results.clear()
