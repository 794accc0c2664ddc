"""Every adapter that there is, beside its vendor. A new adapter is one more row here, and nothing else."""

from __future__ import annotations

from tests.bridge.carriers import cloud_harnesses, cxml_harnesses, rehearsal_harness, self_hosted_harnesses, telnyx_harness
from tests.bridge.carriers.harness import AdapterRow

ROWS: tuple[AdapterRow, ...] = (
    rehearsal_harness.ROW,
    cxml_harnesses.TWILIO,
    cxml_harnesses.SIGNALWIRE,
    telnyx_harness.ROW,
    cloud_harnesses.BANDWIDTH,
    cloud_harnesses.VONAGE,
    self_hosted_harnesses.SMSGATE,
    self_hosted_harnesses.KANNEL,
    self_hosted_harnesses.JASMIN,
)
