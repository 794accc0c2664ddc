"""A fake message centre of a telephone network: SMPP 3.4 over TCP, on this machine only.

Rules of this module: it records what arrives unchanged (data coding, user data header, validity) and joins long texts by
that header alone; it decodes each part by itself, as handsets do; it has no code for a particular gateway. Source: SMPP 3.4
(§3.2, §4, §5.2.28, appendix B); 3GPP TS 23.038 for the alphabet, TS 23.040 §9.2.3.24.1 for the parts.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tests.free_ports import free_ports
from tests.planted import PLANTED, Kind

BIND_RECEIVER, BIND_TRANSMITTER, SUBMIT, DELIVER, UNBIND, BIND_BOTH, ENQUIRE = 1, 2, 4, 5, 6, 9, 0x15
ANSWER: Final = 0x80000000
THROTTLED, INVALID_DESTINATION = 0x58, 0x0B
"""Status of `submit_sm_resp`: too fast; unknown number (§5.1.3)."""
DEFAULT_ALPHABET, UCS2 = 0, 8
_HAS_HEADER, _IS_REPORT = 0x40, 0x04
_HEADER: Final = struct.Struct(">IIII")
_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """One received part of a text: its addresses, its octets without the header, and its parameters."""

    source: str
    destination: str
    coding: int
    header: bytes
    octets: bytes
    validity: str
    wants_report: bool


class MessageCentre:
    """`fate`: the state in its delivery reports; empty: it sends none. `refuse`: how many of the next parts it refuses."""

    def __init__(self) -> None:
        self.parts: list[Submitted] = []
        self.port = free_ports()  # nobody else gets it while this is stopped
        self.fate = "DELIVRD"
        self.refuse, self.refuse_with = 0, THROTTLED
        self.refused = 0
        self._receivers: list[asyncio.StreamWriter] = []
        self._sequences, self._ids, self._references = itertools.count(1), itertools.count(100), itertools.count(1)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def is_bound(self) -> bool:
        """Whether a gateway is bound to receive texts from here."""
        return bool(self._receivers)

    async def start(self) -> None:
        """Listen; after a `stop`, at the same port again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Stop listening and break all connections."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._connections):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    def texts(self) -> list[str]:
        """Return the complete texts that arrived, in the order of their first parts."""
        texts: list[tuple[tuple[str, bytes], dict[int, str], int]] = []
        for part in self.parts:
            words = _decode(part.octets, part.coding)
            if not part.header:
                texts.append(((part.destination, b""), {1: words}, 1))
                continue
            # 00 03 REFERENCE COUNT NUMBER, after the length of the header.
            reference, count, number = part.header[3:4], part.header[4], part.header[5]
            key = (part.destination, reference)
            for known, parts, of in texts:
                if known == key and len(parts) < of and number not in parts:
                    parts[number] = words
                    break
            else:
                texts.append((key, {number: words}, count))
        return ["".join(parts[n] for n in sorted(parts)) for _, parts, count in texts if len(parts) == count]

    def text_in(self, sender: str, text: str, *, to: str = "+15555550100") -> None:
        """Send a handset's text to the gateway, in as many parts as it needs."""
        PLANTED.add(Kind.NUMBER, sender)
        PLANTED.add(Kind.TEXT, text)
        gsm = all(character in _EXTENSION or character in _ALPHABET for character in text)
        coding = DEFAULT_ALPHABET if gsm else UCS2
        letters = [_encode(letter) if gsm else letter.encode("utf-16-be") for letter in text]
        alone, cut = (160, 153) if gsm else (140, 134)
        if len(octets := b"".join(letters)) <= alone:
            self._deliver(sender, to, octets, coding=coding)
            return
        # Split as a phone does: never within a letter.
        parts = [b""]
        for letter in letters:
            if len(parts[-1]) + len(letter) > cut:
                parts.append(b"")
            parts[-1] += letter
        reference = next(self._references) & 0xFF
        for number, part in enumerate(parts, 1):
            header = bytes([5, 0, 3, reference, len(parts), number])
            self._deliver(sender, to, header + part, coding=coding, kind=_HAS_HEADER)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                length, command, _, sequence = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                self._receive(writer, command, sequence, await reader.readexactly(length - _HEADER.size))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            if writer in self._receivers:
                self._receivers.remove(writer)
            writer.close()

    def _receive(self, writer: asyncio.StreamWriter, command: int, sequence: int, body: bytes) -> None:
        if command in (BIND_RECEIVER, BIND_TRANSMITTER, BIND_BOTH):
            _write(writer, command | ANSWER, 0, sequence, b"centre\0")
            if command != BIND_TRANSMITTER:
                self._receivers.append(writer)
        elif command in (ENQUIRE, UNBIND):
            _write(writer, command | ANSWER, 0, sequence)
        elif command == SUBMIT:
            self._submit(writer, sequence, body)

    def _submit(self, writer: asyncio.StreamWriter, sequence: int, body: bytes) -> None:
        if self.refuse:
            self.refuse, self.refused = self.refuse - 1, self.refused + 1
            _write(writer, SUBMIT | ANSWER, self.refuse_with, sequence)
            return
        part = _submitted(body)
        self.parts.append(part)
        message_id = str(next(self._ids))
        _write(writer, SUBMIT | ANSWER, 0, sequence, message_id.encode() + b"\0")
        if self.fate and part.wants_report:
            now = datetime.now(UTC).strftime("%y%m%d%H%M")
            words = (
                f"id:{message_id} sub:001 dlvrd:001 submit date:{now} done date:{now} stat:{self.fate} "
                f"err:{'000' if self.fate == 'DELIVRD' else '045'} text:"
            ).encode()
            # After the answer, as in a network: the gateway needs the id first.
            asyncio.get_running_loop().call_later(
                0.05, lambda: self._deliver(part.destination, part.source, words, kind=_IS_REPORT)
            )

    def _deliver(self, source: str, destination: str, octets: bytes, *, coding: int = 0, kind: int = 0) -> None:
        if not self._receivers:
            return
        ends = (b"\1\1" + number.lstrip("+").encode() + b"\0" for number in (source, destination))
        head = bytes([kind, 0, 0, 0, 0, 0, 0, coding, 0, len(octets)])
        _write(self._receivers[-1], DELIVER, 0, next(self._sequences), b"\0" + b"".join(ends) + head + octets)


def _write(writer: asyncio.StreamWriter, command: int, status: int, sequence: int, body: bytes = b"") -> None:
    writer.write(_HEADER.pack(_HEADER.size + len(body), command, status, sequence) + body)


def _submitted(body: bytes) -> Submitted:
    """Read the body of a `submit_sm` (§4.4.1)."""
    strings: dict[str, str] = {}
    at = 0
    for name, fixed in (("service", 0), ("source", 2), ("destination", 2)):
        at += fixed
        end = body.index(0, at)
        strings[name], at = body[at:end].decode(), end + 1
    kind, at = body[at], at + 3
    for name in ("schedule", "validity"):
        end = body.index(0, at)
        strings[name], at = body[at:end].decode(), end + 1
    report, coding, length = body[at], body[at + 2], body[at + 4]
    octets = body[at + 5 : at + 5 + length]
    cut = octets[0] + 1 if kind & _HAS_HEADER else 0
    return Submitted(
        source=strings["source"],
        destination=strings["destination"],
        coding=coding,
        header=octets[:cut],
        octets=octets[cut:],
        validity=strings["validity"],
        wants_report=bool(report & 3),
    )


def _encode(text: str) -> bytes:
    return b"".join(bytes([27, _EXTENSION[c]]) if c in _EXTENSION else bytes([_ALPHABET.index(c)]) for c in text)


def _decode(octets: bytes, coding: int) -> str:
    if coding & 0x0C == UCS2:
        return octets.decode("utf-16-be", "replace")
    extension = {code: character for character, code in _EXTENSION.items()}
    pairs, text, at = octets, "", 0
    while at < len(pairs):
        escaped = pairs[at] == 27 and at + 1 < len(pairs)
        text += extension.get(pairs[at + 1], "?") if escaped else _ALPHABET[pairs[at]]
        at += 2 if escaped else 1
    return text
