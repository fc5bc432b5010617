"""One private Home Assistant: started, onboarded, spoken to, stopped."""

import asyncio
from collections.abc import AsyncIterator, Mapping
import contextlib
import json
import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Self

import aiohttp

from .configuration import HOST, prepare

RESTART_EXIT_CODE = 100
ONBOARDING_SECONDS = 60.0
RUNNING_SECONDS = 120.0
STOP_SECONDS = 40.0
LOG_TAIL = 4000


class InstanceError(Exception):
    """Home Assistant did not start, ended by itself, or refused a request."""


def free_port() -> int:
    """Return a TCP port that is free on loopback right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class HomeAssistant:
    """A Home Assistant process with a configuration directory of its own.

    The directory outlives the process: `start` after `stop` or `kill` continues with
    the same user, token, entries and history. `executable` is a `hass` in an
    environment that has the frontend; without it Home Assistant only recovers.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        ca_file: Path | None = None,
        username: str = "demo",
        password: str = "demo",
        executable: Path | None = None,
    ) -> None:
        """Take a PEM file of the only authorities that its TLS clients shall trust."""
        self.directory = directory
        self.port = port or free_port()
        self.username = username
        self.password = password
        self.log_file = directory / "run.log"
        self._ca_file = ca_file
        self._executable = executable or Path(sys.executable).with_name("hass")
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Return the address without a trailing slash, as the tokens know it."""
        return f"http://{HOST}:{self.port}"

    @property
    def client_id(self) -> str:
        """Return the client id that the tokens were issued to."""
        return f"{self.url}/"

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of the process, None while it runs or before."""
        return self._process.poll() if self._process else None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start, make the user when the directory is new, wait until all is set up."""
        self._session = aiohttp.ClientSession()
        try:
            self.launch()
            await self._wait_for_http()
            if not self._token_file.exists():
                await self._onboard()
            await self._wait_until_running()
        except BaseException:
            await self.kill()
            raise

    def launch(self) -> None:
        """Start the process and wait for nothing: for one that is cut off early."""
        prepare(self.directory, self.port)
        environment = dict(os.environ)
        environment.pop("PYTHONPATH", None)
        # Uploaded files lie in a folder that every Home Assistant on a machine takes
        # for its own.
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        environment["TMPDIR"] = str(temporary)
        if self._ca_file:
            environment["REQUESTS_CA_BUNDLE"] = str(self._ca_file)
        command = [
            str(self._executable),
            "-c",
            str(self.directory),
            "--skip-pip",
            "--log-no-color",
        ]
        if setpriv := shutil.which("setpriv"):
            # Where it is available: Home Assistant ends with us even when we are killed.
            command = [setpriv, "--pdeathsig", "TERM", *command]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                # A Ctrl-C in the terminal is for us alone: we stop it in order.
                start_new_session=True,
            )

    async def stop(self) -> None:
        """End it as a user's shutdown does; kill it when that takes too long."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut does."""
        await self._end(signal.SIGKILL)

    async def request(self, method: str, path: str, body: object = None) -> Any:
        """Send one REST request (path without /api) and return the decoded answer."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/api/{path}"
        try:
            async with self._session.request(
                method, url, json=body, headers=headers
            ) as response:
                text = await response.text()
        except aiohttp.ClientError as error:
            raise self._failure(f"did not answer {method} {path}: {error}") from error
        if response.status >= 400:
            what = f"answered {method} {path}: {response.status} {text[:300]}"
            raise self._failure(what)
        return json.loads(text) if text else None

    async def get(self, path: str) -> Any:
        """Return the decoded answer to a GET of /api/<path>."""
        return await self.request("GET", path)

    async def post(self, path: str, body: object) -> Any:
        """Return the decoded answer to a POST to /api/<path>."""
        return await self.request("POST", path, body)

    async def upload(self, content: bytes, name: str) -> str:
        """Upload a file as a form in a browser does; returns the id that the form takes."""
        assert self._session is not None
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        async with self._session.post(
            f"{self.url}/api/file_upload",
            data=form,
            headers={"Authorization": f"Bearer {self.token}"},
        ) as response:
            if response.status != 200:
                raise self._failure(f"refused a file: {response.status}")
            return str((await response.json())["file_id"])

    async def delete(self, path: str) -> Any:
        """Return the decoded answer to a DELETE of /api/<path>."""
        return await self.request("DELETE", path)

    async def command(self, command: str, **fields: object) -> Any:
        """Send one websocket command and return its result."""
        return await self._command(self.token, command, **fields)

    @property
    def token(self) -> str:
        """Return the long-lived access token of the user."""
        return self._token_file.read_text()

    @property
    def browser_tokens(self) -> dict[str, Any]:
        """Return what a browser stores of a user who is logged in."""
        tokens: dict[str, Any] = json.loads(self._browser_file.read_text())
        return tokens | {
            "hassUrl": self.url,
            "clientId": self.client_id,
            "expires": int((time.time() + tokens["expires_in"]) * 1000),
        }

    def log(self) -> str:
        """Return everything that it has written since the directory was made."""
        return (
            self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        )

    @property
    def _token_file(self) -> Path:
        return self.directory / "token"

    @property
    def _browser_file(self) -> Path:
        return self.directory / "browser.json"

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if self._session:
            await self._session.close()
            self._session = None
        if process is None:
            return
        deadline = time.monotonic() + STOP_SECONDS
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
            await asyncio.sleep(0.05)

    async def _wait_for_http(self) -> None:
        assert self._session is not None
        async with self._patience("answer", ONBOARDING_SECONDS):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with self._session.get(
                        f"{self.url}/api/onboarding"
                    ) as response:
                        # 404 is the answer once every step is done.
                        if response.status in (200, 404):
                            return
                await self._pause()

    async def _wait_until_running(self) -> None:
        async with self._patience("finish starting", RUNNING_SECONDS):
            while (await self.get("config"))["state"] != "RUNNING":
                await self._pause()

    async def _pause(self) -> None:
        if (code := self.exit_code) is not None:
            raise self._failure(f"ended by itself with exit code {code}")
        await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def _patience(self, what: str, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise self._failure(f"did not {what} within {seconds:.0f} s") from None

    def _failure(self, what: str) -> InstanceError:
        error = InstanceError(f"Home Assistant {what}")
        error.add_note(self.log()[-LOG_TAIL:])
        return error

    async def _onboard(self) -> None:
        user = {
            "name": self.username.title(),
            "username": self.username,
            "password": self.password,
        }
        code = await self._onboarding_step(
            "users", {"client_id": self.client_id, "language": "en", **user}
        )
        tokens = await self._exchange(code["auth_code"])
        bearer = str(tokens["access_token"])
        await self._onboarding_step("analytics", {}, bearer)
        redirect = {
            "client_id": self.client_id,
            "redirect_uri": f"{self.url}/?auth_callback=1",
        }
        await self._onboarding_step("integration", redirect, bearer)
        token = await self._command(
            bearer,
            "auth/long_lived_access_token",
            client_name="ev_streams",
            lifespan=365,
        )
        await self._wait_until_saved()
        _write_private(self._browser_file, json.dumps(tokens))
        _write_private(self._token_file, token)

    async def _wait_until_saved(self) -> None:
        # Tokens are written a second late: killed before, it would not know them again.
        auth = self.directory / ".storage" / "auth"
        async with self._patience("save its users", ONBOARDING_SECONDS):
            while not (auth.exists() and "long_lived_access_token" in auth.read_text()):
                await self._pause()

    async def _onboarding_step(
        self, step: str, body: Mapping[str, str], bearer: str | None = None
    ) -> Any:
        assert self._session is not None
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with self._session.post(
            f"{self.url}/api/onboarding/{step}", json=body, headers=headers
        ) as response:
            if response.status != 200:
                text = await response.text()
                raise self._failure(f"refused step {step}: {response.status} {text}")
            return await response.json()

    async def _exchange(self, code: str) -> dict[str, Any]:
        assert self._session is not None
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.client_id,
        }
        async with self._session.post(f"{self.url}/auth/token", data=form) as response:
            response.raise_for_status()
            tokens: dict[str, Any] = await response.json()
            return tokens

    async def _command(self, bearer: str, command: str, **fields: object) -> Any:
        assert self._session is not None
        try:
            async with self._session.ws_connect(
                f"{self.url}/api/websocket", max_msg_size=0
            ) as websocket:
                await websocket.receive_json()  # the invitation to authenticate
                await websocket.send_json({"type": "auth", "access_token": bearer})
                if (answer := await websocket.receive_json())["type"] != "auth_ok":
                    raise self._failure(f"refused the token: {answer}")
                await websocket.send_json({"id": 1, "type": command, **fields})
                answer = await websocket.receive_json()
        except (aiohttp.ClientError, TypeError) as error:
            # A connection that closes early is a TypeError to the library.
            raise self._failure(f"did not answer {command}: {error}") from error
        if not answer["success"]:
            raise self._failure(f"refused {command}: {answer['error']}")
        return answer["result"]


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
