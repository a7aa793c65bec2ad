"""A client for tests that shows whole answers: adds nothing, hides nothing."""

from dataclasses import dataclass, field
from typing import Any

import requests

from tdx_dagster.simulator import Simulator
from tests.simulator.shape_check import GIVES, problems


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
        answer = self.session.request(method, f"{self.simulator.url}/api{path}", timeout=10, **more)
        self._check_shape(answer)
        return answer

    def _check_shape(self, answer: requests.Response) -> None:
        """Every answer of every test must have the shape of its type."""
        call = list(self.simulator.calls)[-1]
        if call.status is None or call.status >= 300 or not answer.content:
            return
        if answer.headers["Content-Type"].startswith("application/json"):
            kind = GIVES.get(call.name, "")
            assert kind, f"{call.name} does not say what it gives"
            assert problems(kind, answer.json(), kind) == []

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> requests.Response:
        return self.call("POST", path, json=json, **more)
