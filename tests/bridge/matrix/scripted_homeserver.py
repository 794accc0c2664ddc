"""A homeserver of a few lines that says what a test tells it to say, over a real socket.

Rule of this module: it keeps devices, hands out one-time keys and scripted sync responses, and writes down what it was
asked; whatever a test puts into `faults` is answered first, and paths with `refuse[0]` in them with status `refuse[1]`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from aiohttp import web

from tests.bridge.matrix.client_device import ClientDevice, UploadedKeys

WITHHELD = "m.room_key.withheld"


@dataclass(slots=True)
class RecordedRequest:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass(slots=True)
class ScriptedHomeserver:
    """`url` once started. `responses`: sync responses of the policy bot, in order; then the last cursor, after a while.

    `puppet_responses`: those of the texter puppet. `message_pages`: by the token that a page is asked for with.

    `position`: the cursor that it tells who asks for no rooms; None for the one that was asked with. Who asks for it in the
    same words as before is answered as before, as by Synapse for two minutes. `lost`: events that it does not have;
    `ahead`: seconds by which its clock is ahead of the machine's, as its answers say (`Date`); `date`: what they say in
    place of it.

    `unreadable_cursors`: those that it refuses, as an older Synapse does with a newer one's.

    `refusals`: errors with which it answers in place of an event, one after another.

    `device_table`: by user, the devices that were made and when each was used; where `knows_devices`, it tells of those,
    and refuses whatever names another.

    `names`: display names, by user; `name_refusal`: an error with which it refuses to change one. `unsigned`: how many
    uploads of signatures it answers with a failure. `sync_seconds`: how long each sync takes.

    `change_count`: what the module answers who waits for a change; None: there is no such module. `repeats_answers`:
    whether each sync in the same words as before is answered as before.
    """

    people: dict[str, ClientDevice] = field(default_factory=dict)
    ours: dict[str, UploadedKeys] = field(default_factory=dict)
    responses: deque[str] = field(default_factory=deque)
    puppet_responses: deque[str] = field(default_factory=deque)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    message_pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: deque[web.Response] = field(default_factory=deque)
    refuse: tuple[str, int] | None = None
    change_count: int | None = None
    repeats_answers: bool = False
    refuse_errcode: str = "M_UNKNOWN"
    fail_at: int | None = None
    devices: list[str] = field(default_factory=list)
    device_table: dict[str, dict[str, int | None]] = field(default_factory=dict)
    knows_devices: bool = False
    masters: dict[str, dict[str, Any]] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    created: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Create events, by room."""
    members: dict[str, Any] = field(default_factory=dict)
    membership: str = ""
    position: str | None = None
    lost: set[str] = field(default_factory=set)
    unreadable_cursors: set[str] = field(default_factory=set)
    refusals: deque[tuple[int, str]] = field(default_factory=deque)
    ahead: float = 0.0
    date: str | None = None
    account_data: dict[str, Any] = field(default_factory=dict)
    forgets_account_data: bool = False
    names: dict[str, str] = field(default_factory=dict)
    name_refusal: tuple[int, str] | None = None
    unsigned: int = 0
    sync_seconds: float = 0.0
    requests: list[RecordedRequest] = field(default_factory=list)
    _answered: dict[str, str] = field(default_factory=dict)
    _one_time_keys: dict[str, str] = field(default_factory=dict)
    url: str = ""
    _runner: web.AppRunner | None = None
    _count: int = 0

    async def start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_response_prepare.append(self._stamp)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stamp(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(time.time() + self.ahead, usegmt=True) if self.date is None else self.date

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def register(self, *people: ClientDevice) -> None:
        """Have these people's devices known."""
        self.people |= {person.mxid: person for person in people}

    def queue_sync(self, response: dict[str, Any], *, puppet: bool = False) -> str:
        """Answer the policy bot's next sync with this, or the texter puppet's; returns its cursor."""
        self._count += 1
        cursor = f"c{self._count}"
        (self.puppet_responses if puppet else self.responses).append(json.dumps({"next_batch": cursor, **response}))
        return cursor

    def sent_to(self, person: ClientDevice) -> list[dict[str, Any]]:
        """Return what was sent to-device to this person's device, still encrypted, with the sender's id."""
        return [message for message in self._to_device(person) if message["type"] != WITHHELD]

    def withheld_from(self, person: ClientDevice) -> list[dict[str, Any]]:
        """Return what this person's device was told of keys that it does not get, by whom."""
        return [message for message in self._to_device(person) if message["type"] == WITHHELD]

    def _to_device(self, person: ClientDevice) -> list[dict[str, Any]]:
        messages = []
        for request in self.requests:
            if "/sendToDevice/" in request.path:
                content = request.body["messages"].get(person.mxid, {}).get(person.device_id)
                if content is not None:
                    kind = request.path.split("/sendToDevice/")[1].split("/")[0]
                    messages.append({"sender": request.query["user_id"], "type": kind, "content": content})
        return messages

    async def _answer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        written = raw and request.content_type == "application/json"
        recorded = RecordedRequest(request.method, request.path, dict(request.query), json.loads(raw) if written else None)
        self.requests.append(recorded)
        if self.fail_at == len(self.requests) - 1:
            return web.json_response({"errcode": "M_UNRECOGNIZED"}, status=404)
        if self.faults:
            return self.faults.popleft()
        user_id, device_id = recorded.query.get("user_id", ""), recorded.query.get("device_id")
        own_devices = self.device_table.setdefault(user_id, {})
        if self.knows_devices and device_id is not None and device_id not in own_devices:
            return web.json_response({"errcode": "M_UNKNOWN_DEVICE"}, status=400)
        if self.refuse is not None and self.refuse[0] in request.path:
            return web.json_response({"errcode": self.refuse_errcode}, status=self.refuse[1])
        if request.path == "/_matrix/media/v1/create":
            return web.json_response({"content_uri": f"mxc://x/media{len(self.requests)}"})
        match request.path.removeprefix("/_matrix/client/v3/").split("/"):
            case ["sync"]:
                return await self._sync(recorded)
            case ["register"] if user_id in self.masters:
                return web.json_response({"errcode": "M_USER_IN_USE"}, status=400)
            case ["register"]:
                self.masters[user_id] = {}
            case ["keys", "device_signing", "upload"]:
                self.masters[user_id] = recorded.body["master_key"]
            case ["keys", "upload"] if not self._keeps(recorded):
                return web.json_response({"errcode": "M_UNKNOWN"}, status=400)
            case ["keys", "upload"]:
                self._uploaded(recorded)
            case ["keys", "query"]:
                users = recorded.body["device_keys"]
                answer = _merge(self.people[u].keys_query_response() for u in users if u in self.people)
                answer["master_keys"] |= {u: self.masters[u] for u in users if self.masters.get(u)}
                return web.json_response(answer)
            case ["keys", "claim"]:
                claimed: dict[str, Any] = {}
                for user, devices in recorded.body["one_time_keys"].items():
                    person, own = self.people.get(user), self.ours.get(user)
                    for device in devices:
                        if own is not None and (key := own.claim()) is not None:
                            claimed.setdefault(user, {})[device] = key
                        if person is not None and device == person.device_id:
                            claimed.setdefault(user, {})[device] = person.one_time_key()
                return web.json_response({"one_time_keys": claimed})
            case ["devices", name]:
                if recorded.method == "PUT":
                    own_devices[name] = None
                else:
                    own_devices.pop(name, None)
            case ["devices"] if self.knows_devices:
                listed = [{"device_id": name, "last_seen_ts": used} for name, used in own_devices.items()]
                return web.json_response({"devices": listed})
            case ["devices"]:
                return web.json_response({"devices": [{"device_id": device_id} for device_id in self.devices]})
            case ["user", user, *room, "account_data", kind]:
                return self._account_data(recorded, " ".join((user, *room[1:], kind)))
            case ["joined_rooms"]:
                return web.json_response({"joined_rooms": self.joined})
            case ["rooms", room_id, "state", "m.room.create"]:
                return web.json_response(self.created[room_id]) if room_id in self.created else _refusal(403, "M_FORBIDDEN")
            case ["rooms", _, "state", "m.room.member", _] if recorded.method == "GET":
                return web.json_response({"membership": self.membership} if self.membership else {})
            case ["rooms", _, "members"]:
                return web.json_response(self.members)
            case ["rooms", _, "event", _] if self.refusals:
                return _refusal(*self.refusals.popleft())
            case ["rooms", _, "event", event_id] if event_id in self.lost:
                return web.json_response({"errcode": "M_NOT_FOUND"}, status=404)
            case ["rooms", _, "messages"] if recorded.query.get("from", "") in self.message_pages:
                return web.json_response(self.message_pages[recorded.query["from"]])
            case ["rooms", room_id, "messages"]:
                return web.json_response(self.messages.get(room_id, {"chunk": []}))
            case ["rooms", _, "send", *_] | ["rooms", _, "redact", *_]:
                return web.json_response({"event_id": f"$sent{len(self.requests)}"})
        return self._changes() if "/quietline/changes/" in recorded.path else self._of_identity(recorded, user_id)

    def _of_identity(self, request: RecordedRequest, user_id: str) -> web.Response:
        """Answer a request about an identity's signatures or display name; anything else with an empty object."""
        if request.path.endswith("/keys/signatures/upload") and self.unsigned:
            self.unsigned -= 1
            return web.json_response({"failures": {user_id: {device: {} for device in request.body[user_id]}}})
        if not request.path.endswith(f"/profile/{user_id}/displayname"):
            return web.json_response({})
        if request.method == "GET":
            return web.json_response({"displayname": self.names[user_id]} if user_id in self.names else {})
        if self.name_refusal is not None:
            return _refusal(*self.name_refusal)
        self.names[user_id] = request.body["displayname"]
        return web.json_response({})

    def _changes(self) -> web.Response:
        known = self.change_count
        return _refusal(404, "M_UNRECOGNIZED") if known is None else web.json_response({"count": known})

    def _account_data(self, request: RecordedRequest, name: str) -> web.Response:
        if request.method == "PUT":
            if not self.forgets_account_data:
                self.account_data[name] = request.body
            return web.json_response({})
        stored = self.account_data.get(name)
        return _refusal(404, "M_NOT_FOUND") if stored is None else web.json_response(stored)

    def _keeps(self, request: RecordedRequest) -> bool:
        """Keep one-time keys by their ids; False when there is another of that id, which Synapse refuses."""
        new_keys = {
            f"{request.query['user_id']} {request.query.get('device_id')} {name}": key["key"]
            for name, key in request.body.get("one_time_keys", {}).items()
        }
        if any(self._one_time_keys.get(name, key) != key for name, key in new_keys.items()):
            return False
        self._one_time_keys |= new_keys
        return True

    def _uploaded(self, requests: RecordedRequest) -> None:
        user_id, keys = requests.query["user_id"], requests.body.get("device_keys", {}).get("keys", {})
        if keys:
            named = {name.split(":")[0]: key for name, key in keys.items()}
            self.ours[user_id] = UploadedKeys(user_id, named["curve25519"], named["ed25519"], [])
        for key in requests.body.get("fallback_keys", {}).values():
            self.ours[user_id].fallback_key = key["key"]
        self.ours[user_id].one_time_keys += [key["key"] for key in requests.body.get("one_time_keys", {}).values()]

    async def _sync(self, requests: RecordedRequest) -> web.Response:
        await asyncio.sleep(self.sync_seconds)
        if requests.query.get("since") in self.unreadable_cursors:
            return _refusal(400, "M_UNKNOWN")
        of_policy = requests.query["user_id"].startswith("@policy")
        responses = self.responses if of_policy else self.puppet_responses
        if of_policy and json.loads(requests.query["filter"])["room"].get("rooms") == []:
            if self.position is not None and "since" not in requests.query:
                words = json.dumps(requests.query)
                position = self._answered.setdefault(words, self.position)
                return web.json_response({"next_batch": position})
            responses = deque()
        if responses:
            text = responses.popleft()
            if self.repeats_answers:
                text = self._answered.setdefault(json.dumps(requests.query), text)
            return web.Response(text=text, content_type="application/json")
        await asyncio.sleep(min(int(requests.query["timeout"]) / 1000, 0.05))
        return web.json_response({"next_batch": requests.query.get("since") or "c0"})


def _merge(answers: Any) -> dict[str, Any]:
    merged: dict[str, Any] = {"device_keys": {}, "master_keys": {}, "self_signing_keys": {}}
    for answer in answers:
        for name, value in answer.items():
            merged[name] |= value
    return merged


def _refusal(status: int, errcode: str) -> web.Response:
    return web.json_response({"errcode": errcode}, status=status)
