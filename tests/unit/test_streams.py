"""What run.py and the guest print to, where a write is interrupted."""

import io

from tools.streams import Stream


class Interrupted(io.RawIOBase):
    """A descriptor whose first write is interrupted by a signal's handler that prints, too."""

    def __init__(self):
        self.handler, self.written = None, []

    def writable(self):
        return True

    def write(self, data):
        self.written.append(bytes(data))
        handler, self.handler = self.handler, None
        if handler is not None:
            handler()
        return len(data)


def test_what_a_signal_s_handler_prints_in_the_middle_of_a_write_is_lost_and_costs_nothing():
    raw = Interrupted()
    stream = Stream(io.BufferedWriter(raw), "utf-8")
    raw.handler = lambda: print("interrupted", file=stream, flush=True)
    print("first", file=stream, flush=True)
    print("second", file=stream, flush=True)
    assert b"".join(raw.written) in (b"first\nsecond\n", b"first\ninterrupted\nsecond\n")
