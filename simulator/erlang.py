"""An Erlang node as a child process, steered through its standard input."""

from collections.abc import Mapping
import os
from pathlib import Path
import select
import subprocess
import threading

_MARKER = b"@simulator@ "

# Reads one expression a line and answers it with one marked line. The end of the input
# means that the parent is gone, by whatever death: the node then halts at once. Values
# are written with ~w, because ~p would print a list of small numbers as a text.
_CONTROL_LOOP = """
spawn(fun() ->
  Loop = fun(Loop) ->
    case io:get_line("") of
      Line when is_list(Line) ->
        try
          {ok, Tokens, _} = erl_scan:string(Line),
          {ok, Expressions} = erl_parse:parse_exprs(Tokens),
          {value, Value, _} = erl_eval:exprs(Expressions, []),
          io:format("~n@simulator@ ok ~w~n", [Value])
        catch Class:Reason ->
          io:format("~n@simulator@ error ~0p~n", [{Class, Reason}])
        end,
        Loop(Loop);
      _ -> erlang:halt(0)
    end
  end,
  io:format("~n@simulator@ ok ready~n"),
  Loop(Loop)
end).
"""

# No distribution, so no port for it and no epmd: yet RabbitMQ wants a node with a name.
_ALONE = ["-noshell", "-sname", "rabbit@localhost", "-dist_listen", "false"]
_ALONE += ["-start_epmd", "false", "-erl_epmd_port", "1"]


class NodeError(Exception):
    """The node did not start, died, did not answer in time or refused an expression."""


def binary(text: str) -> str:
    """The Erlang binary literal of a text, safe whatever the text contains."""
    return f"<<{','.join(str(byte) for byte in text.encode())}>>"


class ErlangNode:
    """One Erlang node as a child process.

    It has no distribution port and needs no epmd, so any number of nodes live side by
    side under the same name, and none outlives its parent. Methods block and may be
    called from any thread.
    """

    def __init__(
        self, program: Path, environment: Mapping[str, str], errors: Path
    ) -> None:
        self._program = program
        self._environment = dict(environment)
        self._errors = errors
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process id while there is a process."""
        return None if self._process is None else self._process.pid

    def start(self, *, timeout: float) -> None:
        """Start the node and wait, `timeout` seconds at most, until it answers."""
        with self._lock, self._errors.open("ab") as errors:
            self._unread = b""
            self._process = subprocess.Popen(
                [os.fspath(self._program), *_ALONE, "-eval", _CONTROL_LOOP],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                # Ctrl-C in a terminal goes to the whole process group: the node would
                # be gone before it is told to stop.
                start_new_session=True,
            )
            try:
                self._answer(timeout)
            except NodeError:
                self._reap(0)
                raise

    def evaluate(self, expression: str, *, timeout: float = 30) -> str:
        """The printed value of an Erlang expression, without its closing full stop."""
        with self._lock:
            if self._process is None or self._process.stdin is None:
                raise NodeError("the node is not running")
            try:
                self._process.stdin.write(f"{' '.join(expression.split())}.\n".encode())
                self._process.stdin.flush()
            except OSError as error:
                raise NodeError("the node is gone") from error
            return self._answer(timeout)

    def stop(self, *, timeout: float = 10) -> None:
        """Halt the node and wait; after `timeout` seconds it is killed."""
        with self._lock:
            self._reap(timeout)

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def _reap(self, timeout: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answer(self, timeout: float) -> str:
        while True:
            line = self._read_line(timeout)
            if line.startswith(_MARKER):
                break
        tag, _, value = line.removeprefix(_MARKER).decode().rstrip().partition(" ")
        if tag != "ok":
            raise NodeError(value)
        return value

    def _read_line(self, timeout: float) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise NodeError("the node is not running")
        descriptor = process.stdout.fileno()
        # Waiting in the kernel, not against a clock: a test may have frozen the clock.
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(timeout * 1000):
                raise NodeError(f"no answer within {timeout:g} s")
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise NodeError("the node has died")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line
