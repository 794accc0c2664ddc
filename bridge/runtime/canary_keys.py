"""Derives keys of the canary and the bridge from the one secret that they share.

Rule of this module: no value is stored; each derives from the secret and a label of its own, so that one reveals nothing of
another. Source: RFC 2104 (HMAC).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.runtime.phone_number import Phone

CANARY_NUMBER: Final = "+99900000000"
"""The canary's handset. No telephone has it: the country code 999 is assigned to nobody (ITU-T E.164, list of assigned
country codes)."""
CANARY_PHONE: Final = Phone(CANARY_NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryKeys:
    """`route`: the token of the canary's route. `password`: of its account. The rest: seeds of its identity, 32 bytes."""

    route: str = field(repr=False)
    password: str = field(repr=False)
    master: bytes = field(repr=False)
    self_signing: bytes = field(repr=False)
    user_signing: bytes = field(repr=False)

    @property
    def master_public(self) -> str:
        """The public half of its master key, in unpadded base64."""
        public = Ed25519PrivateKey.from_private_bytes(self.master).public_key().public_bytes_raw()
        return base64.b64encode(public).decode().rstrip("=")

    @classmethod
    def derive(cls, secret: str) -> CanaryKeys:
        """Derive everything from the secret."""

        def derived(label: str) -> bytes:
            return hmac.digest(secret.encode(), f"quietline canary {label}".encode(), hashlib.sha256)

        def text(label: str) -> str:
            return base64.urlsafe_b64encode(derived(label)).decode().rstrip("=")

        return cls(
            route=text("route"),
            password=text("password"),
            master=derived("master key"),
            self_signing=derived("self-signing key"),
            user_signing=derived("user-signing key"),
        )
