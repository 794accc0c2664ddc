"""Every adapter that there is, beside its vendor. A new adapter is one more row here, and nothing else."""

from __future__ import annotations

from tests.bridge.carriers import cloud_stands, cxml_stands, own_stands, rehearsal_stand, telnyx_stand
from tests.bridge.carriers.stand import Row

ROWS: tuple[Row, ...] = (
    rehearsal_stand.ROW,
    cxml_stands.TWILIO,
    cxml_stands.SIGNALWIRE,
    telnyx_stand.ROW,
    cloud_stands.BANDWIDTH,
    cloud_stands.VONAGE,
    own_stands.SMSGATE,
    own_stands.KANNEL,
    own_stands.JASMIN,
)
