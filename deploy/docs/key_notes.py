"""The text for each key of the configuration on its page: its purpose, and an example.

Rule of this module: one entry for each key of the models, by its place; a carrier's key as `carrier.KIND.KEY`, or as
`carrier.KEY` when every kind has it. A test compares the table with the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class KeyNote(NamedTuple):
    """`why`: the key's purpose, a sentence without its full stop. `example`: a value in YAML."""

    why: str
    example: str


API_BASE: Final = "where the carrier's interface is; another than the default for a region, a proxy or a test"

NOTES: Final[Mapping[str, KeyNote]] = MappingProxyType(
    {
        "data_dir": KeyNote("the bridge's databases; no backup program may copy it", "/srv/line/bridge"),
        "homeserver": KeyNote("the Matrix homeserver of the line", "see below"),
        "homeserver.url": KeyNote("where the bridge reaches it", "http://127.0.0.1:8448"),
        "homeserver.server_name": KeyNote(
            "the second half of every account's id; it can never be changed", "text.example.org"
        ),
        "homeserver.joined": KeyNote("true for the agency's own Synapse, which `up` does not run", "true"),
        "homeserver.as_token_file": KeyNote(
            "the bridge's token at the homeserver, as in the registration", "/srv/line/secrets/as_token"
        ),
        "homeserver.public_url": KeyNote(
            "where people's clients reach it; nothing: from this machine only", "https://text.example.org"
        ),
        "homeserver.admin_token_file": KeyNote(
            "only for a homeserver that cannot load our module: whoever has it can take over every account",
            "/etc/quietline/secrets/admin-token",
        ),
        "homeserver.database_url_file": KeyNote(
            "a file with the URL of its PostgreSQL database; nothing: SQLite in the line's directory",
            "/srv/line/secrets/homeserver_database",
        ),
        "homeserver.own_core": KeyNote(
            "true: it runs on one core of this machine, all else on the others; see capacity.md", "false"
        ),
        "homeserver.policy_localpart": KeyNote(
            "the account of the software that looks after the rooms; each line of a homeserver has its own", "policy"
        ),
        "homeserver.other_lines": KeyNote("further lines on the homeserver that `up` runs; see lines.md", "see below"),
        "homeserver.other_lines.registration": KeyNote(
            "the registration that `init` wrote for that line", "/srv/lines/south/synapse/quietline-south-registration.yaml"
        ),
        "homeserver.other_lines.policy": KeyNote("that line's policy bot", '"@policy-south:text.example.org"'),
        "listen": KeyNote("where webhooks arrive", "see below"),
        "listen.host": KeyNote("the address that the bridge listens on; a proxy stands before it", "127.0.0.1"),
        "listen.port": KeyNote("its port", "8449"),
        "listen.public_base_url": KeyNote(
            "the address that the carrier was told; signatures are over it, so it must be the same to the letter",
            "https://text.example.org",
        ),
        "keys": KeyNote("three keys, each 32 bytes in hex, all different", "see below"),
        "keys.vault_key_file": KeyNote(
            "seals conversations; it is in no backup, so that no backup opens one", "/srv/line/secrets/vault.key"
        ),
        "keys.index_key_file": KeyNote(
            "finds a phone's conversation without a list of numbers", "/srv/line/secrets/index.key"
        ),
        "keys.suppression_key_file": KeyNote(
            "remembers STOP and blocks; it is in the backup, or a STOP would be forgotten",
            "/srv/line/secrets/suppression.key",
        ),
        "lines": KeyNote("exactly one line", "see below"),
        "lines.slug": KeyNote(
            "stands in the webhook's address, `/carriers/SLUG/inbound`; never changes: STOP entries are hashed with it",
            "main",
        ),
        "lines.number": KeyNote("the number that people text", '"+15555550100"'),
        "lines.numbers": KeyNote(
            "further numbers of the same line; each texter is answered from the one they texted", '["+15555550111"]'
        ),
        "lines.rehearsal": KeyNote(
            "true for a line without phones: wordings may be unreviewed and identities are trusted on first use; it never "
            "changes",
            "true",
        ),
        "lines.packs": KeyNote("wordings, hours and settings, in order; the agency's own is last", "[base, agency.yaml]"),
        "lines.drills": KeyNote(
            "drills of the agency's own: files, or folders of them; rehearsal lines only", "[our-drills]"
        ),
        "lines.carrier": KeyNote("who brings texts; its keys follow from `kind`", "see below"),
        "lines.staff": KeyNote("who is invited to the desk at the first start", "see below"),
        "lines.staff.mxid": KeyNote("a whole Matrix id on this homeserver", '"@ada:text.example.org"'),
        "lines.staff.identity": KeyNote(
            "the fingerprint that you compared: this person is confirmed when seen with it, as by `quietline trust`",
            '"AbCd EfGh IjKl MnOp QrSt UvWx YzAb CdEf GhIj KlMn OpQ"',
        ),
        "lines.staff.role": KeyNote("a supervisor may confirm identities, hold, block and close at once", "supervisor"),
        "lines.calendar": KeyNote(
            "who is on shift when, as a calendar file (shifts.md): one of two keys; without it the pack says it, or nobody",
            "see below",
        ),
        "lines.calendar.file": KeyNote(
            "a file in the form of RFC 5545 (ICS), which the bridge may read; a change is heard within seconds",
            "/srv/line/plan.ics",
        ),
        "lines.calendar.address_file": KeyNote(
            "a file with the https address of one; whoever knows it reads who works when, so it is a secret",
            "/srv/line/secrets/calendar_address",
        ),
        "lines.on_call": KeyNote(
            "how a person outside Matrix hears that somebody waits; without it nobody does", "see below"
        ),
        "lines.on_call.webhook_file": KeyNote(
            "a file with a URL that is called; the URL is a secret", "/srv/line/secrets/on_call_webhook"
        ),
        "lines.on_call.email": KeyNote("a mail server that takes the agency's mail", "see below"),
        "lines.on_call.email.host": KeyNote("its name", "mail.example.org"),
        "lines.on_call.email.port": KeyNote("its port: on 465 TLS begins at once, on any other with STARTTLS", "587"),
        "lines.on_call.email.starttls": KeyNote(
            "encrypt the way to it; false only for one on this machine, on another port than 465", "true"
        ),
        "lines.on_call.email.user": KeyNote("the account there, where it asks for one", "quietline"),
        "lines.on_call.email.password_file": KeyNote("its password", "/srv/line/secrets/mail-password"),
        "lines.on_call.email.sender": KeyNote("who the mail is from", "line@example.org"),
        "lines.on_call.email.to": KeyNote("who is on call", "[oncall@example.org]"),
        "quiet_hours": KeyNote(
            "from and to, in the packs' time zone: databases are rewritten then, so that what was deleted is overwritten",
            "[3, 5]",
        ),
        "canary": KeyNote("with this section the line texts itself to see that it works", "see below"),
        "canary.secret_file": KeyNote("32 bytes in hex, for nothing else", "/srv/line/secrets/canary"),
        "canary.localpart": KeyNote("its account at the homeserver, which is nobody's", "canary"),
        "canary.handset": KeyNote("text from a handset of the rehearsal carrier", "false"),
        "canary.every": KeyNote("seconds between two texts, more or less", "600"),
        "canary.slow": KeyNote("seconds after which a round trip is called slow", "30"),
        "canary.limit": KeyNote("seconds after which it is given up and somebody is called", "60"),
        "backup": KeyNote("where `quietline backup` writes, so that a timer needs no words", "see below"),
        "backup.to": KeyNote("a directory, best on another machine", "/srv/quietline-backups"),
        "backup.passphrase_file": KeyNote("what opens a backup; keep it elsewhere as well", "/etc/quietline/passphrase"),
        "backup.keep": KeyNote(
            "which backups stay there: the newest so many, or of days, weeks and months; the others go once a new one was "
            "read back",
            "7d,4w,12m",
        ),
        "log_level": KeyNote("how much is logged; no level logs words or numbers", "INFO"),
        "database": KeyNote("a PostgreSQL that holds everything but keys, in place of files", "see below"),
        "database.url_file": KeyNote(
            "a file with the URL of that database, which is this line's alone (operator.md)",
            "/srv/line/secrets/database_url",
        ),
        "database.copies_kept_days": KeyNote(
            "for how many days base backups, dumps and an archive of that server's log are kept; 0: there are none. No "
            "server tells, so `exposure` and `doctor` go by it",
            "14",
        ),
        "metrics": KeyNote("where Prometheus finds the metrics, on a listener of their own", "see below"),
        "metrics.listen": KeyNote("its address and port", "127.0.0.1:9464"),
        "metrics.exposed": KeyNote(
            "true where networks of others may reach that address: metrics say when texts come", "false"
        ),
        "carrier.kind": KeyNote("which carrier", "KIND"),
        "carrier.api_base": KeyNote(API_BASE, "https://api.example.com"),
        "carrier.texts_per_second": KeyNote(
            "how fast the carrier lets one number, or the account, send; faster is refused there", "1"
        ),
        "carrier.rehearsal.token_file": KeyNote("the bridge's token there", "/srv/line/secrets/carrier.token"),
        "carrier.rehearsal.signing_key_file": KeyNote(
            "what the rehearsal carrier signs webhooks with", "/srv/line/secrets/carrier.key"
        ),
        "carrier.twilio.account_sid": KeyNote("the account, from the console's first page", "AC" + "0" * 32),
        "carrier.twilio.auth_token_file": KeyNote(
            "the account's auth token: webhooks are signed with it", "/srv/line/secrets/twilio-auth-token"
        ),
        "carrier.twilio.other_auth_token_file": KeyNote(
            "while the auth token is replaced, the other one: webhooks signed with either count",
            "/srv/line/secrets/twilio-other-auth-token",
        ),
        "carrier.twilio.user": KeyNote(
            "an API key for sending; the auth token is then for signatures only", "SK" + "0" * 32
        ),
        "carrier.twilio.password_file": KeyNote("the API key's secret", "/srv/line/secrets/twilio-api-key-secret"),
        "carrier.twilio.shared_key_file": KeyNote(
            "the shared key of an account whose webhooks are signed with SHA-256", "/srv/line/secrets/twilio-shared-key"
        ),
        "carrier.twilio.discard_content": KeyNote(
            "bodies of our texts are not kept there; needs message redaction on the account", "true"
        ),
        "carrier.twilio.rcs_senders": KeyNote(
            "RCS senders whose webhook is this line's: the desk is told of what they get, also after an outage",
            '["rcs:your_brand_agent"]',
        ),
        "carrier.twilio.webhook_fragment": KeyNote(
            "what stands behind `#` in the webhook's address: how often Twilio tries again", "rc=5&rp=all"
        ),
        "carrier.signalwire.project": KeyNote("the project's id", "00000000-0000-0000-0000-000000000000"),
        "carrier.signalwire.token_file": KeyNote("an API token, scope Messaging", "/srv/line/secrets/signalwire-token"),
        "carrier.signalwire.signing_key_file": KeyNote(
            "the project's signing key, which is not the token", "/srv/line/secrets/signalwire-signing-key"
        ),
        "carrier.telnyx.public_key": KeyNote(
            "the account's public key, base64: webhooks are signed with its other half",
            "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        ),
        "carrier.telnyx.api_key_file": KeyNote("an API key", "/srv/line/secrets/telnyx-api-key"),
        "carrier.bandwidth.account_id": KeyNote("the account's number", '"5555555"'),
        "carrier.bandwidth.application_id": KeyNote("the messaging application", "00000000-0000-0000-0000-000000000000"),
        "carrier.bandwidth.client_id": KeyNote(
            "an API credential with the role Messaging", "CLI-00000000-0000-0000-0000-000000000000"
        ),
        "carrier.bandwidth.client_secret_file": KeyNote("its secret", "/srv/line/secrets/bandwidth-client-secret"),
        "carrier.bandwidth.token_url": KeyNote(
            "where a token for that credential is had", "https://api.bandwidth.com/api/v1/oauth2/token"
        ),
        "carrier.bandwidth.callback_username": KeyNote("the login that Bandwidth shows at each webhook", "quietline"),
        "carrier.bandwidth.callback_password_file": KeyNote(
            "its password", "/srv/line/secrets/bandwidth-callback-password"
        ),
        "carrier.bandwidth.path_secret_file": KeyNote(
            "the secret part of the webhook's address, because nothing is signed", "/srv/line/secrets/bandwidth-path"
        ),
        "carrier.vonage.application_id": KeyNote("the application", "00000000-0000-0000-0000-000000000000"),
        "carrier.vonage.private_key_file": KeyNote("the application's private key, PEM", "/srv/line/secrets/vonage.pem"),
        "carrier.vonage.api_key": KeyNote("the account's API key", "0a0a0a0a"),
        "carrier.vonage.api_secret_file": KeyNote("the account's API secret", "/srv/line/secrets/vonage-api-secret"),
        "carrier.vonage.signature_secret_file": KeyNote(
            "the account's signature secret: webhooks are signed with it", "/srv/line/secrets/vonage-signature-secret"
        ),
        "carrier.smsgate.username": KeyNote("the login that the app shows", "sms"),
        "carrier.smsgate.password_file": KeyNote("its password", "/srv/line/secrets/smsgate-password"),
        "carrier.smsgate.device_id": KeyNote("the phone, from the app's home screen", "0a0a0a0a0a0a0a0a"),
        "carrier.smsgate.signing_key_file": KeyNote(
            "the key of 32 characters or more that was given to the app", "/srv/line/secrets/smsgate-signing-key"
        ),
        "carrier.smsgate.passphrase_file": KeyNote(
            "the app's passphrase, so that no server on the way to the phone reads a text of ours",
            "/srv/line/secrets/smsgate-passphrase",
        ),
        "carrier.smsgate.refresh_inbox": KeyNote(
            "whether the app is asked for texts that it missed; from app 1.65.2 on, an older one brings all of them twice",
            "true",
        ),
        "carrier.smsgate.region": KeyNote("the country in which a number without `+` is read", "US"),
        "carrier.smsgate.sim_number": KeyNote("which SIM card, in a phone with several", "1"),
        **{
            f"carrier.{kind}.{key}": note
            for kind in ("kannel", "jasmin")
            for key, note in {
                "username": KeyNote("the account at the gateway", "quietline"),
                "password_file": KeyNote("its password", f"/srv/line/secrets/{kind}-password"),
                "path_secret_file": KeyNote(
                    "the secret part of the webhook's address, because nothing is signed", f"/srv/line/secrets/{kind}-path"
                ),
                "plain_numbers": KeyNote("what digits without `+` are: a wrong guess answers a stranger", "international"),
                "region": KeyNote("the country in which national numbers are read", "US"),
            }.items()
        },
        "carrier.jasmin.default_alphabet": KeyNote("what the SMPP provider sends under data coding 0", "gsm0338"),
        "carrier.jasmin.max_parts": KeyNote(
            "`long_content_max_parts` of its `http-api`: a text of more parts is refused here", "5"
        ),
        "carrier.jasmin.retries": KeyNote(
            "whether it tries a text again after an error; `false` only with `submit_error_retrial = {}` in its "
            "`sm-listener`, or such a text is called not sent and leaves all the same",
            "true",
        ),
    }
)
