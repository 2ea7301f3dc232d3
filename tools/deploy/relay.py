"""Connections that can be cut: what goes through the relay is passed on, until it is cut without a word to either side."""
import socket
import struct
import threading

NO_FAREWELL = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: a reset, as of a network that is gone


class Relay:
    """`address` leads to `target` ("host:port")."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock, self._sockets, self._broken = threading.Lock(), [], False
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                try:
                    far = None if self._broken else socket.create_connection(self._target)
                except OSError:
                    far = None
                if far is None:
                    near.close()
                    continue
                self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            pass
        self._end([source, sink])

    @staticmethod
    def _end(sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def cut(self, until_mended=False):
        """Every connection through it. The next one is taken, or none before mend()."""
        with self._lock:
            cut, self._sockets, self._broken = self._sockets, [], until_mended
        for each in cut:
            try:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_FAREWELL)
            except OSError:
                pass
        self._end(cut)

    def mend(self):
        with self._lock:
            self._broken = False

    def close(self):
        self._end([self._listener])  # which wakes who waits for a connection
        self.cut(until_mended=True)
