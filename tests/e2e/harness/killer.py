"""Kills the operator at one of its writes: before the write reaches the API server, or after it was done and before the operator knows."""
import threading

from harness.proxy import Cut


class Killer:
    """Kills the operator at its n-th write, events not counted: those are sent aside and nothing depends on them."""

    def __init__(self, proxy, operator):
        self.proxy = proxy
        self.operator = operator
        self.writes = []
        self.struck = threading.Event()
        self._armed = False
        self._under_way = set()  # writes that the server may have done and the operator does not know of
        self._changed = threading.Condition()

    def arm(self, n, moment):
        """From now on: count writes, kill at the n-th, `before` or `after` the server has done it."""
        numbers = {}
        with self._changed:
            self.writes, self.struck, self._armed, self._under_way = [], threading.Event(), True, set()

        def before(request):
            if not request.write or "/events" in request.path:
                return
            with self._changed:
                if self.struck.is_set():
                    raise Cut  # what a dead process sent after its last breath
                self.writes.append(f"{request.method} {request.path.partition('?')[0].rpartition('/namespaces/')[2]}")
                numbers[request.number] = len(self.writes)
                if numbers[request.number] == n and moment == "before":
                    self._strike()
                self._under_way.add(request.number)

        def after(request, status):
            if request.number in numbers:
                with self._changed:
                    self._under_way.discard(request.number)
                    self._changed.notify_all()
                    if numbers[request.number] == n and moment == "after":
                        self._strike()

        self.proxy.before, self.proxy.after = before, after

    def disarm(self):
        """Whether it has struck; from here on it does not. Waits for writes under way: who saw what one of them did may be
        here before the blow that belongs to it."""
        with self._changed:
            self._changed.wait_for(lambda: self.struck.is_set() or not self._under_way, timeout=10)
            self._armed = False
            struck = self.struck.is_set()
        self.proxy.before, self.proxy.after = lambda request: None, lambda request, status: None
        return struck

    def _strike(self):
        if self._armed:
            self.operator.kill()
            self.struck.set()
            self._changed.notify_all()
            raise Cut
