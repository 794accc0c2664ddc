"""Hypothesis strategies of events and of the states in which they happen.

Rules of this module: every class of the closed union has a strategy, made from its fields, so that a new event or a new
field without one is an error here and not a gap; values come from small sets, so that ids collide.
"""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product
from typing import Any, Final, get_args

from hypothesis import strategies as st

from bot.commands.spec import COMMANDS
from bot.model import events, line_incidents, thread_desk_events
from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt
from bot.model.codeword_state import CodewordMatch, CodewordState, Digests, Enrolment, EnrolmentAnswer, Flaw, SendLock
from bot.model.desk import Desk, DeskMember, Facts, QueueEntry, RevealRequest, Role, Thread
from bot.model.dialled_number import ColdOutreach, DialledNumber, NumberKind
from bot.model.events import Event
from bot.model.flood import CrowdEntry, Flood, RestClosing
from bot.model.hold_signs import Doubt, HoldSigns
from bot.model.thread import (
    Assignment,
    Consent,
    ConsentFlags,
    HeldReason,
    HeldText,
    Lifecycle,
    Moment,
    PendingText,
    ReplyAfterStop,
    Sending,
    SentText,
    Silence,
    ThreadState,
    TransferOffer,
)
from policies.drills.script import DrillFact
from policies.pack import Pack, TextName
from policies.shifts.content_lines import CalendarProblem
from tests.bot.hypothesis_settings import EXPLORES
from tests.bot.value_strategies import Field, as_often, made, rows, subsets
from tests.packs import shipped

ANA, BEN, SUE, EVE = (f"@{name}:line.example" for name in ("ana", "ben", "sue", "eve"))
"""Two advocates, a supervisor, and a person who is not on the roster."""
STAFF: Final = (ANA, BEN, SUE)
SEEN: Final = tuple(thread_desk_events.Situation)
"""The usual people have seen every explanation (`test_first_times.py` has newcomers)."""
MEMBERS: Final = (
    DeskMember(user=ANA, role=Role.ADVOCATE, met=SEEN),
    DeskMember(user=BEN, role=Role.ADVOCATE, met=SEEN),
    DeskMember(user=SUE, role=Role.SUPERVISOR, met=SEEN),
)

PACK: Final = shipped("base", "rehearsal")
UNDO, LATE = PACK.settings.undo_seconds, PACK.settings.late_after_seconds
NOW: Final = 1_800_000_000.0

EVENT_TYPES: Final[tuple[type, ...]] = get_args(Event)
MESSAGES: Final = ("$m1", "$m2", "$m3", "$m4")
OWNERS: Final = ("t1", "t2", "t3")
NAMED: Final = ("amber heron", "quiet maple", "plain river")

STOPS: Final = ("STOP", " stop ", "Stop.", "ALTO", "OPT OUT")
STARTS: Final = ("START", "start.")
TEXTER_WORDS: Final = ("hi, are you there?", "ES", "english", "", "please make him STOP", "Liked “ok”", "I'm driving")
"""A texter's texts; like STOPS and STARTS, each has one meaning that the tests know without the code."""
BY_PHONES: Final = TEXTER_WORDS[-2:]
"""Those of them that a phone sends by itself."""
WORDS: Final = ("I am here. Are you safe?", "Sí, claro: 5:30", "mail me at ana@example.org", "ok", "take your time 🙂")
"""An assignee's words for the phone."""
NOTES: Final = (
    "// careful",
    "!status",
    "!claim",
    "!clam",
    "/me waits",
    "  !help",
    "@ben look",
    "please look, @ben",
    "\u200b//x",
)
"""Words that look like these and are notes."""
LEAKS: Final = ("ask @sue:line.example", "see https://matrix.to/#/!r:line.example", "like amber heron, or quiet maple", " ")
"""An assignee's words that the phone must not get."""
LONG: Final = "long " * 300
WARNED: Final = ("call me at 555-0134-222", "wait at 12 Oak Street")
DOUBTS: Final = (LONG, *WARNED)
"""Words that the phone gets only after `!long` or `!anyway`."""
CANNED: Final = {
    "!say handover": TextName.HANDOVER,
    "!say clarify": TextName.CLARIFY,
    "!limits": TextName.LIMITS,
    "!tips": TextName.DEVICE,
    "!tips iphone": TextName.TIPS_IPHONE,
    "!options": TextName.OPTIONS,
    "!later": TextName.LATER,
    "!safecheck": TextName.SAFE_CHECK,
    "!urgent": TextName.URGENT,
    "!different": TextName.DIFFERENT,
    "!say different": TextName.DIFFERENT,
}
"""The text that each command puts into the undo window. With words after the command it puts nothing there."""
EDITED: Final = ("!limits", "!options", "!tips")
"""Those of them that become own words by an edit, after a colon; `!say name: words` says own words at any time."""
DIFFERENT: Final = tuple(command for command, name in CANNED.items() if name is TextName.DIFFERENT)
STEPS_BACK: Final = tuple(PACK.say(TextName.DIFFERENT, language) for language in PACK.languages)
SECOND: Final = {"again": ("LATE", "UNKNOWN"), "anyway": ("WARNED",), "long": ("LONG",)}
"""The command that releases words held for each reason (design.md, "Who is heard")."""


def with_settings(**changed: Any) -> Pack:
    """Return the pack with changed settings."""
    return replace(PACK, settings=replace(PACK.settings, **changed))


KEYS: Final = (
    *(
        "✋",
        "✋🏽",
        "👍",
        "✅",
        "❌",
        "send",
        "offer",
        "board",
        "other",
        "reply",
        "block",
        "flood",
        "close-rest",
        "🏠",
        "challenge",
        "close",
        "idle",
        "end",
    ),
    f"word:{ANA}",
    *(f"wait:t1:{rung}" for rung in range(4)),
    *("unread", "unread-again"),
    f"seat:{BEN}",
    "silence",
    "answer",
    "fade:desk|answer:$m1",
    "fade:thread|answer:$m1",
)
"""Keys of reactions and of timers."""

PEOPLE: Final = (*STAFF, EVE)
people = st.sampled_from(PEOPLE)
bodies = (
    st.sampled_from((*STOPS, *STARTS, *TEXTER_WORDS, *WORDS, *NOTES, *LEAKS, *DOUBTS, "!claim amber heron", "!board"))
    | st.sampled_from(
        tuple(
            f"!{name}{rest}"
            for command in COMMANDS
            for name in command.names
            for rest in ("", f" {BEN}", " all", " handover", " quiet maple", " times 9-17", " unsafe later", " es", " over")
        )
    )
    | st.text(max_size=40)
)
BOTH: Final = (False, True)
MOMENTS: Final = (0.0, NOW, NOW - LATE, NOW - LATE - 1)
"""Times at which something ends or begins."""
SPAN: Final = 1000
"""Other times are at most this many seconds before or after now."""
times = st.floats(min_value=NOW - SPAN, max_value=NOW + SPAN) | st.sampled_from(MOMENTS)
_some_times = (*MOMENTS * 32, *(NOW - SPAN + 2 * SPAN * n / 127 for n in range(128)))
TIME: Final[Field] = times if EXPLORES else _some_times
"""A state has dozens of times: by day from a small set, by night arbitrary (`tests/bot/value_strategies.py`)."""
TIME_OR_NEVER: Final[Field] = st.just(0.0) | times if EXPLORES else as_often(0.0, _some_times)
PLACES: Final = (DESK, THREAD, OFFICE + ANA)
REFS: Final = ("say:$m1", "say:$m2", "say:", "answer:a", "stop:a", "card", "card:t1", "card:t2", "offer", "tally", "")
refs = st.sampled_from(REFS)

DIGESTS: Final = Digests(salt="00", safe="01", duress="02", lengths=(8, 9))
TAGS: Final = ("", "0badcafe0bad", "0badcafe0bad.2")
"""Tags of handsets of a drill; the empty one is a person's."""
FIELDS: Final[dict[str, Field]] = {
    "rows": rows(("disk", "backup"), unique=True),
    "codeword_match": tuple(CodewordMatch),
    "drill": TAGS,
    "tag": TAGS,
    "situation": thread_desk_events.Situation,
    "quiet": BOTH,
    "facts": rows(DrillFact),
    "said": rows(REFS),
    "came": TIME_OR_NEVER,
    "said_at": TIME_OR_NEVER,
    "sent": st.lists(st.tuples(refs, bodies), max_size=2).map(tuple),
    "over": BOTH,
    "requeued": BOTH,
    "closing": BOTH,
    "reopened": BOTH,
    "given_up": BOTH,
    "tampered": BOTH,
    "new_texter": BOTH,
    "keyless": BOTH,
    "uncalled": BOTH,
    "untold": BOTH,
    "alarm": thread_desk_events.AlarmKind,
    "answer_by": TIME_OR_NEVER,
    "at": times,
    "over_cap": BOTH,
    "by": PEOPLE,
    "on_hold": BOTH,
    "body": bodies,
    "command": ("", "!unsafe", "!safe"),
    "code": ("", "30003"),
    "content": events.Content,
    "differs": BOTH,
    "designation": NAMED,
    "duress": BOTH,
    "danger": BOTH,
    "language": ("", "es"),
    "digests": (DIGESTS,),
    "event_id": MESSAGES,
    "first": BOTH,
    "rate_limited": BOTH,
    "conversations": range(1, 4),
    "hours": range(100),
    "how": thread_desk_events.AssignmentKind,
    "id": ("a", "b"),
    "key": st.sampled_from(KEYS) | st.text(max_size=5),
    "master_key": ("k1", "k2"),
    "media": range(4),
    "mentions": BOTH,
    "quotes": BOTH,
    "minutes": st.integers(min_value=0, max_value=100_000),
    "name": st.sampled_from(("", "Jane (she/her)")) | st.text(max_size=20),
    "mentioned_users": rows(PEOPLE),
    "open": BOTH,
    "other_hands_at": TIME_OR_NEVER,
    "outcome": events.Outcome,
    "place": PLACES,
    "ref": REFS,
    "relation": events.Relation,
    "seconds": st.integers(min_value=-100_000, max_value=100_000),
    "sender": PEOPLE,
    "step": line_incidents.CanaryStep,
    "sent_at": st.none() | times,
    "unordered_within": (0.0, 45.0),
    "short_id": ("0badcafe",),
    "test": ("0badcafe",),
    "since": TIME,
    "target": (*MESSAGES, *REFS),
    "inbound": BOTH,
    "thread": OWNERS,
    "supervisor": BOTH,
    "trusted": BOTH,
    "unfinished": range(4),
    "user": PEOPLE,
    "users": st.dictionaries(people, st.integers(min_value=-1, max_value=100)).map(lambda d: tuple(d.items())),
    "assignee": PEOPLE,
    "nameless": st.lists(times, max_size=2).map(tuple),
    "more": range(4),
    "recovered": BOTH,
    "what": ("an upload",),
    "reason": events.IgnoreReason,
}
OTHERWISE: Final[dict[tuple[type, str], Field]] = {
    (thread_desk_events.DrillReported, "outcome"): tuple(product(REFS, BOTH)),
    (line_incidents.RoomLost, "how"): line_incidents.RoomLoss,
    (thread_desk_events.AssignmentRefused, "reason"): ("they are off duty.", ""),
    (line_incidents.InviteFailed, "place"): (DESK, OFFICE),
    (line_incidents.StrayTextArrived, "kind"): line_incidents.StrayKind,
    (line_incidents.HomeserverIncident, "kind"): line_incidents.HomeserverIncidentKind,
    (line_incidents.TextsMissing, "kind"): line_incidents.GapKind,
    (line_incidents.CalendarRead, "unread"): range(4),
    (line_incidents.CalendarUnread, "hours"): as_often(None, range(100)),
    (line_incidents.CalendarUnread, "problem"): CalendarProblem,
}
"""Fields whose name has another meaning in that event."""

EVENTS: Final[dict[type, st.SearchStrategy[Any]]] = {
    kind: made(
        kind, **{f.name: OTHERWISE[kind, f.name] if (kind, f.name) in OTHERWISE else FIELDS[f.name] for f in fields(kind)}
    )
    for kind in EVENT_TYPES
}
any_event: Final = st.one_of(*EVENTS.values())

moments = st.none() | made(Moment, at=TIME, from_carrier=BOTH)
NAMES: Final = ("", *TextName)
_pending = st.lists(
    made(PendingText, event_id=FIELDS["event_id"], body=bodies, author=PEOPLE, said_at=TIME, send_at=TIME, name=NAMES),
    max_size=3,
    unique_by=lambda pending: pending.event_id,
).map(tuple)
_sent = st.lists(
    made(
        SentText, event_id=FIELDS["event_id"], receipt=("LEAVING", "UNKNOWN", "SENT", "DELIVERED", "NOT_SENT"), name=NAMES
    ),
    max_size=3,
    unique_by=lambda text: text.event_id,
).map(tuple)
_held = st.lists(
    made(HeldText, event_id=FIELDS["event_id"], body=bodies, author=PEOPLE, reason=HeldReason, name=NAMES),
    max_size=3,
    unique_by=lambda text: text.event_id,
).map(tuple)
_offers = st.none() | made(TransferOffer, to=as_often("", PEOPLE), by=PEOPLE, until=TIME, event_id=FIELDS["event_id"])
_greeted = st.dictionaries(st.sampled_from(("en", "es")), times).map(lambda d: tuple(sorted(d.items())))

_codewords = made(
    CodewordState,
    digests=(None, DIGESTS),
    spent=BOTH,
    verified_at=TIME,
    failures=st.lists(times, max_size=3).map(tuple),
    lock=(SendLock.NONE, SendLock.NONE, *SendLock),
    last_text_at=TIME,
    challenge=("", *MESSAGES),
    challenge_sent_at=TIME,
    duress_at=TIME_OR_NEVER,
)
_minutes = st.integers(min_value=0, max_value=1440)
flags: Final = made(
    ConsentFlags,
    limits=TIME,
    tips=TIME,
    rights=TIME,
    safe_check_asked=("", "2027-01-15 08:00"),
    safe_times=st.lists(st.tuples(_minutes, _minutes), max_size=2).map(tuple),
    safe_days=st.lists(st.tuples(st.integers(min_value=0, max_value=6), _minutes, _minutes), max_size=2).map(tuple),
    other_hands_at=TIME_OR_NEVER,
    text_first=as_often(None, BOTH),
    channel=("", "call"),
    unsafe_line=("", "later", "clarify"),
    unsafe=BOTH,
    unsafe_line_ref=("", "say:$m1"),
)
silences: Final = made(
    Silence,
    heard_at=TIME,
    spoke_at=TIME,
    cue_count=range(7),
    exchanges=range(31),
    cues_shown=subsets(("minor", "picture", "picture answered", "ask")),
    recheck_safety=BOTH,
    last_auto_reply=("", "greeting", "picture"),
    from_flood=BOTH,
    left_at=TIME_OR_NEVER,
    danger=BOTH,
    signs=((), (("leaving", NOW),)),
    told_language=("", "en", "es"),
)
signs: Final = made(
    HoldSigns,
    texted_at=TIME_OR_NEVER,
    pleaded=BOTH,
    broke_off_at=TIME_OR_NEVER,
    promised_at=TIME_OR_NEVER,
    offer_ended_at=TIME_OR_NEVER,
    colleague_at=TIME_OR_NEVER,
    answered=subsets(Doubt, most=2),
    verify_refused=((), ((ANA, NOW),), ((ANA, NOW), (SUE, NOW))),
)

threads: Final = made(
    Thread,
    id=FIELDS["thread"],
    designation=FIELDS["designation"],
    answerable=BOTH,
    assignment=made(
        Assignment,
        assignee=as_often(None, PEOPLE),
        epoch=range(6),
        taken_from=as_often(None, PEOPLE),
        offer=_offers,
        members=subsets(PEOPLE),
        interpreters=subsets(PEOPLE),
        long_undo_until=TIME,
        answer_by=TIME_OR_NEVER,
    ),
    consent=made(
        Consent,
        stopped=BOTH,
        confirmation_ref=("", "stop:a", "stop:b"),
        language=("en", "es", "fr"),
        language_chosen=BOTH,
        greeted=_greeted,
        may_resume=BOTH,
        text_after_stop=("", "a", "b"),
        reply=st.none() | made(ReplyAfterStop, event_id=FIELDS["event_id"], body=bodies, author=PEOPLE, said_at=TIME),
        reply_ref=("", "say:$m1", "say:$m2"),
        reply_edit=("", "$m3"),
        carrier_block=BOTH,
        last_keyword=moments,
        last_start=moments,
        blocked_until=(0.0, 0.0, NOW - 1, NOW + 100),
    ),
    sending=made(Sending, pending=_pending, sent=_sent, held=_held),
    codeword=_codewords,
    flags=flags,
    silence=silences,
    signs=signs,
    lifecycle=made(
        Lifecycle,
        state=ThreadState,
        since=TIME,
        last_inbound=TIME,
        last_outbound=TIME,
        newest_text=moments,
        closes_at=TIME_OR_NEVER,
        continuing=BOTH,
    ),
    on_legal_hold=BOTH,
    reveal_request=st.none() | made(RevealRequest, by=PEOPLE, until=TIME),
)

_members = st.lists(
    made(
        DeskMember,
        user=PEOPLE,
        role=Role,
        on_duty=BOTH,
        off_until_trusted=BOTH,
        last_thread=("", *OWNERS),
        away=BOTH,
        on_duty_since=TIME,
        heavy_threads=range(4),
        debrief_offered_at=TIME,
        signed_out_at=TIME_OR_NEVER,
    ),
    max_size=4,
    unique_by=lambda seat: seat.user,
).map(tuple)
_entries = st.lists(
    made(
        QueueEntry,
        thread=FIELDS["thread"],
        designation=FIELDS["designation"],
        since=TIME,
        assignee=as_often(None, PEOPLE),
        offered=BOTH,
        has_card=BOTH,
        opened_at=TIME,
        last_activity=TIME,
        last_was_inbound=BOTH,
        auto_assigned=BOTH,
        tried_users=rows(PEOPLE),
        duress=BOTH,
        heavy=BOTH,
        other_hands_at=TIME_OR_NEVER,
        stopped=BOTH,
        closing=BOTH,
    ),
    max_size=3,
    unique_by=(lambda line: line.thread, lambda line: line.designation),
).map(tuple)
_crowd = st.lists(
    made(
        CrowdEntry,
        thread=("f1", "f2", "f3"),
        designation=("stray fern", "stray moss", "stray reed"),
        since=TIME,
        texts=range(1, 4),
        danger=BOTH,
        asks=BOTH,
        duress=BOTH,
        closing=BOTH,
        language=FIELDS["language"],
        other_hands_at=FIELDS["other_hands_at"],
    ),
    max_size=3,
    unique_by=(lambda entry: entry.thread, lambda entry: entry.designation),
).map(lambda entries: {entry.thread: entry for entry in entries})
_floods = made(
    Flood,
    crowd=_crowd,
    active=BOTH,
    arrivals=st.lists(times, max_size=3).map(tuple),
    begun_at=TIME,
    came=range(10),
    came_before=range(10),
    calm_since=TIME,
    card=("", "⚠️ Many new texters at once"),
    reminded=BOTH,
    paged_at=TIME,
    closing=st.none() | made(RestClosing, before=TIME, until=TIME, due=TIME, closed=range(4)),
)
desks: Final = made(
    Desk,
    flood=_floods,
    roster=_members | st.just(MEMBERS),
    power_levels=FIELDS["users"],
    threads=_entries,
    unconfirmed_identities=st.dictionaries(people, st.sampled_from(("k1", "k2"))).map(lambda d: tuple(d.items())),
    outage=BOTH,
    waits=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 90)), max_size=6).map(tuple),
    board=("", "Queue: 0"),
    board_at=TIME,
    on_legal_hold=rows(OWNERS, unique=True),
    claimers=st.lists(st.tuples(people, times), max_size=2).map(tuple),
    outreach=st.lists(
        made(ColdOutreach, user=PEOPLE, until=TIME, confirmed=BOTH, digest=("", "d1")),
        max_size=2,
        unique_by=lambda cold: cold.user,
    ).map(tuple),
    enrolments=st.lists(
        made(
            Enrolment,
            user=PEOPLE,
            thread=FIELDS["thread"],
            designation=FIELDS["designation"],
            until=TIME,
            wants_duress_word=BOTH,
        ),
        max_size=2,
        unique_by=lambda asking: asking.user,
    ).map(tuple),
    codeword_event_ids=rows(MESSAGES),
)

facts: Final = made(
    Facts,
    now=times | st.just(NOW),
    roster=_members | st.just(MEMBERS),
    designations=subsets(NAMED),
    load=st.dictionaries(people, st.integers(min_value=0, max_value=6)),
    codeword_match=(CodewordMatch.NONE, CodewordMatch.NONE, *CodewordMatch),
    enrolment_answer=st.none() | made(EnrolmentAnswer, flaw=as_often(None, Flaw), digests=(None, DIGESTS)),
    outage=BOTH,
    usual_wait=(0, 5, 60),
    dialled_number=st.none() | made(DialledNumber, kind=NumberKind, digest=("d1", "d2")),
    on_legal_hold=BOTH,
    display_pending=BOTH,
    has_dead_letters=BOTH,
    inbound_pending=BOTH,
    outbound_pending=BOTH,
    new_designation=("still brook",),
)

FORWARD: Final = {
    None: set(DeliveryReceipt),
    DeliveryReceipt.LEAVING: set(DeliveryReceipt) - {DeliveryReceipt.NOTE, DeliveryReceipt.LEAVING},
    DeliveryReceipt.SENT: {DeliveryReceipt.DELIVERED, DeliveryReceipt.NOT_SENT},
    DeliveryReceipt.UNKNOWN: {DeliveryReceipt.DELIVERED, DeliveryReceipt.NOT_SENT, DeliveryReceipt.LEAVING},
    DeliveryReceipt.NOTE: set(),
    DeliveryReceipt.DELIVERED: set(),
    DeliveryReceipt.NOT_SENT: {DeliveryReceipt.LEAVING, DeliveryReceipt.DELIVERED},
    DeliveryReceipt.HELD: {DeliveryReceipt.NOT_SENT, DeliveryReceipt.RETRACTED, DeliveryReceipt.LEAVING},
    DeliveryReceipt.RETRACTED: {DeliveryReceipt.DELIVERED},
}
"""Which receipt may replace which: repeated here on purpose, and not read from the code. Back to LEAVING only by a
confirmation of their author."""
