"""A client for tests that shows whole answers: adds nothing to what it is told, hides nothing."""

from dataclasses import dataclass, field
from typing import Any

import requests

from tdx_dagster.simulator import Simulator


@dataclass
class Client:
    """Calls a simulator with a session signed in as the bot."""

    simulator: Simulator
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.sign_in()

    def sign_in(self) -> None:
        self.session.headers["Authorization"] = f"Bearer {self.simulator.token()}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, f"{self.simulator.url}/api{path}", timeout=10, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> requests.Response:
        return self.call("POST", path, json=json, **more)
