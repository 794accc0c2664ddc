"""Twilio's signature beside Twilio's own validator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict
from twilio.request_validator import RequestValidator, get_signature_algorithm  # type: ignore[import-untyped]

from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.parsing import MAX_FIELDS
from bridge.carriers.vendors import signalwire, twilio
from tests.bridge.carriers.cxml_harnesses import ACCOUNT, KEY, PATH, CxmlHarness, signalwire_harness, twilio_harness
from tests.bridge.carriers.steps import PATHS, PROXIES, QUICK
from tests.bridge.carriers.vendor_harness import CLIENT_TIMEOUT
from tests.every_row import every_row

WORDS = st.text(max_size=8) | st.sampled_from(["", " ", "+", "%", "&=", "ä", "🫂"])
FIELDS = st.lists(st.tuples(WORDS | st.sampled_from(["Body", "From", "MessageSid"]), WORDS), max_size=6)
BASES = (
    "https://text.example.org",
    "https://text.example.org:8443",
    "https://text.example.org/behind/it",
    "http://10.0.0.1:80",
)
ALGORITHMS = (None, "HMAC_SHA1", "HMAC_SHA256")


@pytest.fixture
async def harness() -> AsyncIterator[CxmlHarness]:
    async with twilio_harness() as vendor_harness:
        yield vendor_harness


def at(harness: CxmlHarness, base: str, shared_key: str | None = None) -> twilio.TwilioCarrier:
    if shared_key is not None:
        (harness.secrets / "shared").write_text(shared_key)
    settings = twilio.Settings(
        kind="twilio",
        api_base="http://127.0.0.1:9",
        account_sid=ACCOUNT,
        auth_token_file=harness.secrets / "key",
        shared_key_file=harness.secrets / "shared" if shared_key is not None else None,
    )
    return twilio.TwilioCarrier(settings, replace(harness.context(), public_base_url=base), timeout=CLIENT_TIMEOUT)


def of_signalwire(harness: CxmlHarness, base: str) -> signalwire.SignalWireCarrier:
    settings = signalwire.Settings(
        kind="signalwire",
        api_base="http://127.0.0.1:9",
        project=ACCOUNT,
        token_file=harness.secrets / "token",
        signing_key_file=harness.secrets / "key",
    )
    return signalwire.SignalWireCarrier(settings, replace(harness.context(), public_base_url=base), timeout=CLIENT_TIMEOUT)


async def test_like_the_official_validator(harness: CxmlHarness) -> None:
    """What Twilio's own validator accepts we accept, and what it rejects we reject; for SignalWire, which signs alike, too.

    Over blank, repeated and odd fields, encoded paths, URLs with and without port, changed fields, a proxy's own URL, and
    either hash. (That a signature over a fragment is accepted as well is ours alone, and is not drawn here.)
    """
    carriers = {base: at(harness, base, shared_key=KEY) for base in BASES}
    others = {base: of_signalwire(harness, base) for base in BASES}
    verdicts = set()

    @QUICK
    @given(
        base=st.sampled_from(BASES),
        signed_base=st.sampled_from((*BASES, "https://text.example.org:443", "http://10.0.0.1")) | st.none(),
        path=st.sampled_from(PATHS),
        fields=FIELDS,
        change=st.sampled_from(["nothing", "nothing", "drop", "add", "strip", "signature"]),
        algorithm=st.sampled_from(ALGORITHMS),
        proxy=st.sampled_from(PROXIES),
    )
    @example(BASES[1], BASES[0], PATHS[0], [("a", ""), ("a", "b"), ("a", "")], "nothing", None, PROXIES[1])
    def attempt(
        base: str,
        signed_base: str | None,
        path: str,
        fields: list[tuple[str, str]],
        change: str,
        algorithm: str | None,
        proxy: dict[str, str],
    ) -> None:
        signature = RequestValidator(KEY).compute_signature((signed_base or base) + path, MultiDict(fields), algorithm)
        match change:
            case "drop":
                fields = fields[1:]
            case "add":
                fields = [*fields, ("Body", "")]
            case "strip":
                fields = [(name, value.strip()) for name, value in fields]
            case "signature":
                signature = signature[:-2] + "A="
        body = urlencode(fields).encode()
        parameters = MultiDict(parse_qsl(body.decode(), keep_blank_values=True))
        right = RequestValidator(KEY).validate(base + path, parameters, signature, algorithm)
        headers = CIMultiDict({"X-Twilio-Signature": signature} | proxy)
        if algorithm is not None:
            headers[twilio.SETTINGS_HEADER] = f"key=1, algorithm={algorithm}"
        assert carriers[base].verify(WebhookRequest(raw_path=path, headers=headers, body=body)) is right
        if algorithm is None:
            headers["X-SignalWire-Signature"] = headers.pop("X-Twilio-Signature")
            assert others[base].verify(WebhookRequest(raw_path=path, headers=headers, body=body)) is right
        verdicts.add((algorithm, right))

    attempt()
    assert verdicts == {(algorithm, right) for algorithm in ALGORITHMS for right in (True, False)}
    for carrier in (*carriers.values(), *others.values()):
        await carrier.close()


@pytest.mark.parametrize("fragment", ["rc=5&rp=all", "rc=3", ""])
async def test_with_the_fragment_of_the_retries(harness: CxmlHarness, fragment: str) -> None:
    """Whether Twilio signs the fragment that configures its retries is not known: a text comes in either way."""
    url, path = harness.receiver.url, f"{PATH}/inbound"
    settings = twilio.Settings(
        kind="twilio",
        api_base="http://127.0.0.1:9",
        account_sid=ACCOUNT,
        auth_token_file=harness.secrets / "key",
        webhook_fragment=fragment,
    )
    carrier = twilio.TwilioCarrier(settings, harness.context(), timeout=CLIENT_TIMEOUT)
    assert fragment or twilio.Settings.model_fields["webhook_fragment"].default == "rc=5&rp=all"
    fields = {"MessageSid": "SM1", "Body": "words"}
    for end in ("", "#rc=5&rp=all", "#rc=3", "#", "#rc=5", "?rc=3"):
        signature = RequestValidator(KEY).compute_signature(url + path + end, MultiDict(fields))
        headers = CIMultiDict({"X-Twilio-Signature": signature})
        request = WebhookRequest(raw_path=path, headers=headers, body=urlencode(fields).encode())
        assert carrier.verify(request) is (end in {"", f"#{fragment}"} - {"#"})
    await carrier.close()


async def test_vectors(harness: CxmlHarness) -> None:
    """Twilio's published example verifies, by SHA-1 with the token and by SHA-256 with a shared key, each by its own."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    (harness.secrets / "key").write_text("12345")
    carrier, plain = at(harness, "https://mycompany.com", shared_key="12345"), at(harness, "https://mycompany.com")
    body = urlencode(fields).encode()
    shared = {"X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1, algorithm=HMAC_SHA256"}
    odd = {"X-Twilio-Webhooks-Signature-Settings": "key=1,algorithm=HMAC_MD5"}
    for signature, more, expected, without_key in (
        ("RSOYDt4T1cUTdK1PDd93/VVr8B8=", {}, True, True),
        ("RSOYDt4T1cUTdK1PDd93/VVr8B8=", shared, False, False),
        ("033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=", shared, True, False),
        ("033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=", {}, False, False),
        ("RSOYDt4T1cUTdK1PDd93/VVr8B8=", odd, False, False),
    ):
        headers = CIMultiDict({"X-Twilio-Signature": signature} | more)
        request = WebhookRequest(raw_path="/myapp.php?foo=1&bar=2", headers=headers, body=body)
        assert carrier.verify(request) is expected
        assert plain.verify(request) is without_key
        algorithm = get_signature_algorithm(more.get("X-Twilio-Webhooks-Signature-Settings"))
        url = "https://mycompany.com/myapp.php?foo=1&bar=2"
        assert RequestValidator("12345").validate(url, fields, signature, algorithm) is expected
    await carrier.close()
    await plain.close()


@pytest.mark.parametrize("make", [twilio_harness, signalwire_harness])
async def test_no_work_for_strangers(make: Any) -> None:
    """Nobody without the key can keep the line busy: what is no signature is not read, nor more fields than there are."""
    async with make() as harness:
        (name,) = harness.signature_headers
        path, url = f"{PATH}/inbound", f"{harness.receiver.url}{PATH}/inbound"
        for count, right in ((MAX_FIELDS, True), (MAX_FIELDS + 1, False)):
            fields = MultiDict((f"f{n}", "") for n in range(count))
            headers = CIMultiDict({name: RequestValidator(KEY).compute_signature(url, fields)})
            request = WebhookRequest(raw_path=path, headers=headers, body=urlencode(fields).encode())
            assert harness.carrier.verify(request) is right
        assert harness.carrier.max_webhook_bytes == 64 * 1024
        flood = (b"a&" * harness.carrier.max_webhook_bytes)[: harness.carrier.max_webhook_bytes]
        for signature in ("", "x", "A" * 28, "A" * 27 + "="):
            began = time.process_time()
            assert not harness.carrier.verify(
                WebhookRequest(raw_path=path, headers=CIMultiDict({name: signature}), body=flood)
            )
            assert time.process_time() - began < 0.05


async def test_unsigned_is_not_read(harness: CxmlHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a signature of the right form nothing of a body is parsed."""

    def read(_body: Any) -> Any:
        raise AssertionError("a stranger's body was read")

    monkeypatch.setattr("bridge.carriers.vendors.cxml.form_fields", read)
    for signature in ("", "x" * 28, "é" * 27 + "=", "\udcff", "A" * 27 + "=\n"):
        request = WebhookRequest(raw_path="/", headers=CIMultiDict({"X-Twilio-Signature": signature}), body=b"a=b")
        assert not harness.carrier.verify(request)


@every_row("signed_with", ["new", "former", "third"])
@every_row("replaced", [True, False])
async def test_while_the_auth_token_is_replaced_either_counts(
    harness: CxmlHarness, signed_with: str, replaced: bool
) -> None:
    """Twilio signs with the former one until the new one is the primary; afterwards only the new one is configured."""
    for name in ("new", "former"):
        (harness.secrets / name).write_text(name * 8)
    settings = twilio.Settings(
        kind="twilio",
        api_base="http://127.0.0.1:9",
        account_sid=ACCOUNT,
        auth_token_file=harness.secrets / "new",
        other_auth_token_file=harness.secrets / "former" if replaced else None,
    )
    carrier = twilio.TwilioCarrier(settings, harness.context(), timeout=CLIENT_TIMEOUT)
    path, fields = "/carriers/main/inbound", [("Body", "hi")]
    url = harness.context().public_base_url + path
    header = RequestValidator(signed_with * 8).compute_signature(url, MultiDict(fields), None)
    headers = CIMultiDict({"X-Twilio-Signature": header})
    request = WebhookRequest(raw_path=path, headers=headers, body=urlencode(fields).encode())
    await carrier.close()
    assert carrier.verify(request) is (signed_with == "new" or (signed_with == "former" and replaced))
