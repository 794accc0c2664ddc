"""What can happen, and the states it can happen in, as Hypothesis strategies.

Rules of this module: every class of the closed union has a strategy, made from its fields, so that a new event or a new
field without one is an error here and not a gap; words come from small sets, so that ids meet.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final, get_args

from hypothesis import strategies as st

from bot.commands.spec import COMMANDS
from bot.model import events, line_incidents, thread_desk_events
from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt
from bot.model.codeword_match import CodewordMatch, Digests, EnrolmentAnswer, Flaw
from bot.model.codeword_state import CodewordState, Enrolment, SendLock
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
from tests.packs import shipped

ANA, BEN, SUE, EVE = (f"@{name}:line.example" for name in ("ana", "ben", "sue", "eve"))
"""Two advocates, a supervisor, and a person who is not on the roster."""
STAFF: Final = (ANA, BEN, SUE)
SEEN: Final = tuple(thread_desk_events.Situation)
"""Nothing is new to the usual people (`test_first_times.py` has newcomers)."""
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
"""What a texter says; with STOPS and STARTS each word of these has one meaning that the tests know without the code."""
BY_PHONES: Final = TEXTER_WORDS[-2:]
"""What of it a phone sends by itself."""
WORDS: Final = ("I am here. Are you safe?", "Sí, claro: 5:30", "mail me at ana@example.org", "ok", "take your time 🙂")
"""What an assignee says to the phone."""
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
"""What looks like that and is a note."""
LEAKS: Final = (
    "ask @sue:line.example",
    "see https://matrix.to/#/!r:line.example",
    "like amber heron, or quiet maple",
    " ",
)
"""What the assignee may say and the phone must not get."""
LONG: Final = "long " * 300
WARNED: Final = ("call me at 555-0134-222", "wait at 12 Oak Street")
DOUBTS: Final = (LONG, *WARNED)
"""What the phone gets only after a second word: `!long`, `!anyway`."""
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
}
"""Which text a command puts into the undo window. With anything behind it, it puts nothing there."""
EDITED: Final = ("!limits", "!options", "!tips")
"""Those of them that become own words by an edit, behind a colon; `!say name: words` says own words at any time."""
STEPS_BACK: Final = tuple(PACK.say(TextName.DIFFERENT, language) for language in PACK.languages)
SECOND: Final = {"again": ("LATE", "UNKNOWN"), "anyway": ("WARNED",), "long": ("LONG",)}
"""Which second word lets leave what was held for which reason (design.md, "Who is heard")."""


def with_settings(**changed: Any) -> Pack:
    """Return the pack with other numbers."""
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
    *(f"wait:t1:{rung}" for rung in range(3)),
    f"seat:{BEN}",
    "silence",
    "answer",
    "fade:desk|answer:$m1",
    "fade:thread|answer:$m1",
)
"""Keys of reactions and of timers."""

people = st.sampled_from((*STAFF, EVE))
bodies = (
    st.sampled_from((*STOPS, *STARTS, *TEXTER_WORDS, *WORDS, *NOTES, *LEAKS, *DOUBTS, "!claim amber heron", "!board"))
    | st.sampled_from(
        tuple(
            f"!{command.name}{rest}"
            for command in COMMANDS
            for rest in ("", f" {BEN}", " all", " handover", " quiet maple", " times 9-17", " unsafe later", " es", " over")
        )
    )
    | st.text(max_size=40)
)
times = st.floats(min_value=NOW - 1000, max_value=NOW + 1000) | st.sampled_from((0.0, NOW, NOW - LATE, NOW - LATE - 1))
places = st.sampled_from((DESK, THREAD, OFFICE + ANA))
refs = st.sampled_from(
    ("say:$m1", "say:$m2", "say:", "answer:a", "stop:a", "card", "card:t1", "card:t2", "offer", "tally", "")
)

DIGESTS: Final = Digests(salt="00", safe="01", duress="02", lengths=(8, 9))
TAGS: Final = ("", "0badcafe0bad", "0badcafe0bad.2")
"""Tags of handsets of a drill; the empty one is a person's."""
FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "rows": st.lists(st.sampled_from(("disk", "backup")), max_size=2, unique=True).map(tuple),
    "drill": st.sampled_from(TAGS),
    "tag": st.sampled_from(TAGS),
    "situation": st.sampled_from(thread_desk_events.Situation),
    "quiet": st.booleans(),
    "facts": st.lists(st.sampled_from(DrillFact), max_size=2).map(tuple),
    "said": st.lists(refs, max_size=2).map(tuple),
    "came": st.just(0.0) | times,
    "said_at": st.just(0.0) | times,
    "sent": st.lists(st.tuples(refs, bodies), max_size=2).map(tuple),
    "over": st.booleans(),
    "requeued": st.booleans(),
    "given_up": st.booleans(),
    "tampered": st.booleans(),
    "new_texter": st.booleans(),
    "keyless": st.booleans(),
    "alarm": st.sampled_from(thread_desk_events.AlarmKind),
    "answer_by": st.just(0.0) | times,
    "at": times,
    "over_cap": st.booleans(),
    "by": people,
    "on_hold": st.booleans(),
    "body": bodies,
    "command": st.sampled_from(("", "!unsafe", "!safe")),
    "code": st.sampled_from(("", "30003")),
    "content": st.sampled_from(events.Content),
    "differs": st.booleans(),
    "designation": st.sampled_from(NAMED),
    "duress": st.booleans(),
    "danger": st.booleans(),
    "language": st.sampled_from(("", "es")),
    "digests": st.just(DIGESTS),
    "event_id": st.sampled_from(MESSAGES),
    "first": st.booleans(),
    "rate_limited": st.booleans(),
    "hours": st.integers(min_value=0, max_value=99),
    "how": st.sampled_from(thread_desk_events.AssignmentKind),
    "id": st.sampled_from(("a", "b")),
    "key": st.sampled_from(KEYS) | st.text(max_size=5),
    "master_key": st.sampled_from(("k1", "k2")),
    "media": st.integers(min_value=0, max_value=3),
    "mentions": st.booleans(),
    "quotes": st.booleans(),
    "minutes": st.integers(min_value=0, max_value=100_000),
    "name": st.sampled_from(("", "Jane (she/her)")) | st.text(max_size=20),
    "mentioned_users": st.lists(people, max_size=2).map(tuple),
    "open": st.booleans(),
    "other_hands_at": st.just(0.0) | times,
    "outcome": st.sampled_from(events.Outcome),
    "place": places,
    "ref": refs,
    "relation": st.sampled_from(events.Relation),
    "seconds": st.integers(min_value=-100_000, max_value=100_000),
    "sender": people,
    "step": st.sampled_from(line_incidents.CanaryStep),
    "sent_at": st.none() | times,
    "unordered_within": st.sampled_from((0.0, 45.0)),
    "short_id": st.just("0badcafe"),
    "test": st.just("0badcafe"),
    "since": times,
    "target": st.sampled_from(MESSAGES) | refs,
    "inbound": st.booleans(),
    "thread": st.sampled_from(OWNERS),
    "supervisor": st.booleans(),
    "trusted": st.booleans(),
    "unfinished": st.integers(min_value=0, max_value=3),
    "user": people,
    "users": st.dictionaries(people, st.integers(min_value=-1, max_value=100)).map(lambda d: tuple(d.items())),
    "assignee": people,
    "nameless": st.lists(times, max_size=2).map(tuple),
    "more": st.integers(min_value=0, max_value=3),
    "recovered": st.booleans(),
    "what": st.just("an upload"),
    "reason": st.sampled_from(events.IgnoreReason),
}
OTHERWISE: Final[dict[tuple[type, str], st.SearchStrategy[Any]]] = {
    (thread_desk_events.DrillReported, "outcome"): st.tuples(refs, st.booleans()),
    (line_incidents.RoomLost, "how"): st.sampled_from(line_incidents.RoomLoss),
    (thread_desk_events.AssignmentRefused, "reason"): st.sampled_from(("they are off duty.", "")),
    (line_incidents.InviteFailed, "place"): st.sampled_from((DESK, OFFICE)),
    (line_incidents.StrayTextArrived, "kind"): st.sampled_from(line_incidents.StrayKind),
    (line_incidents.HomeserverIncident, "kind"): st.sampled_from(line_incidents.HomeserverIncidentKind),
    (line_incidents.FactsBehind, "kind"): st.sampled_from(line_incidents.MarkedFacts),
    (line_incidents.FactsBehind, "accepted"): st.booleans(),
    (line_incidents.TextsMissing, "kind"): st.sampled_from(line_incidents.GapKind),
    (line_incidents.CalendarRead, "unread"): st.integers(min_value=0, max_value=3),
    (line_incidents.CalendarUnread, "hours"): st.none() | st.integers(min_value=0, max_value=99),
    (line_incidents.CalendarUnread, "problem"): st.sampled_from(CalendarProblem),
}
"""Fields whose name means something else in that event."""

EVENTS: Final[dict[type, st.SearchStrategy[Any]]] = {
    kind: st.builds(
        kind, **{f.name: OTHERWISE[kind, f.name] if (kind, f.name) in OTHERWISE else FIELDS[f.name] for f in fields(kind)}
    )
    for kind in EVENT_TYPES
}
any_event: Final = st.one_of(*EVENTS.values())

moments = st.none() | st.builds(Moment, at=times, from_carrier=st.booleans())
_names = st.sampled_from(("", *TextName))
_pending = st.lists(
    st.builds(
        PendingText, event_id=FIELDS["event_id"], body=bodies, author=people, said_at=times, send_at=times, name=_names
    ),
    max_size=3,
    unique_by=lambda pending: pending.event_id,
).map(tuple)
_sent = st.lists(
    st.builds(
        SentText,
        event_id=FIELDS["event_id"],
        receipt=st.sampled_from(("LEAVING", "UNKNOWN", "SENT", "DELIVERED", "NOT_SENT")),
        name=_names,
    ),
    max_size=3,
    unique_by=lambda sent: sent.event_id,
).map(tuple)
_held = st.lists(
    st.builds(
        HeldText, event_id=FIELDS["event_id"], body=bodies, author=people, reason=st.sampled_from(HeldReason), name=_names
    ),
    max_size=3,
    unique_by=lambda held: held.event_id,
).map(tuple)
_offers = st.none() | st.builds(TransferOffer, to=people | st.just(""), by=people, until=times, event_id=FIELDS["event_id"])
_greeted = st.dictionaries(st.sampled_from(("en", "es")), times).map(lambda d: tuple(sorted(d.items())))

_codewords = st.builds(
    CodewordState,
    digests=st.none() | st.just(DIGESTS),
    spent=st.booleans(),
    verified_at=times,
    failures=st.lists(times, max_size=3).map(tuple),
    lock=st.sampled_from((SendLock.NONE, SendLock.NONE, *SendLock)),
    last_text_at=times,
    challenge=st.sampled_from(("", *MESSAGES)),
    challenge_sent_at=times,
    duress_at=st.just(0.0) | times,
)
_minutes = st.integers(min_value=0, max_value=1440)
flags: Final = st.builds(
    ConsentFlags,
    limits=times,
    tips=times,
    rights=times,
    safe_check_asked=st.sampled_from(("", "2027-01-15 08:00")),
    safe_times=st.lists(st.tuples(_minutes, _minutes), max_size=2).map(tuple),
    safe_days=st.lists(st.tuples(st.integers(min_value=0, max_value=6), _minutes, _minutes), max_size=2).map(tuple),
    other_hands_at=st.just(0.0) | times,
    text_first=st.none() | st.booleans(),
    channel=st.sampled_from(("", "call")),
    unsafe_line=st.sampled_from(("", "later", "clarify")),
    unsafe=st.booleans(),
    unsafe_line_ref=st.sampled_from(("", "say:$m1")),
)
silences: Final = st.builds(
    Silence,
    heard_at=times,
    spoke_at=times,
    cue_count=st.integers(min_value=0, max_value=6),
    exchanges=st.integers(min_value=0, max_value=30),
    cues_shown=st.frozensets(st.sampled_from(("minor", "picture", "picture answered", "ask"))),
    recheck_safety=st.booleans(),
    last_auto_reply=st.sampled_from(("", "greeting", "picture")),
    left_at=st.just(0.0) | times,
    danger=st.booleans(),
    signs=st.sampled_from(((), (("leaving", NOW),))),
    told_language=st.sampled_from(("", "en", "es")),
)
signs: Final = st.builds(
    HoldSigns,
    texted_at=st.just(0.0) | times,
    pleaded=st.booleans(),
    promised_at=st.just(0.0) | times,
    offer_ended_at=st.just(0.0) | times,
    colleague_at=st.just(0.0) | times,
    answered=st.frozensets(st.sampled_from(Doubt), max_size=2),
)

threads: Final = st.builds(
    Thread,
    id=FIELDS["thread"],
    designation=FIELDS["designation"],
    answerable=st.booleans(),
    assignment=st.builds(
        Assignment,
        assignee=st.none() | people,
        epoch=st.integers(min_value=0, max_value=5),
        taken_from=st.none() | people,
        offer=_offers,
        members=st.frozensets(people),
        interpreters=st.frozensets(people),
        long_undo_until=times,
        answer_by=st.just(0.0) | times,
    ),
    consent=st.builds(
        Consent,
        stopped=st.booleans(),
        confirmation_ref=st.sampled_from(("", "stop:a", "stop:b")),
        language=st.sampled_from(("en", "es", "fr")),
        language_chosen=st.booleans(),
        greeted=_greeted,
        may_resume=st.booleans(),
        text_after_stop=st.sampled_from(("", "a", "b")),
        reply=st.none() | st.builds(ReplyAfterStop, event_id=FIELDS["event_id"], body=bodies, author=people, said_at=times),
        reply_ref=st.sampled_from(("", "say:$m1", "say:$m2")),
        carrier_block=st.booleans(),
        last_keyword=moments,
        last_start=moments,
        blocked_until=st.sampled_from((0.0, 0.0, NOW - 1, NOW + 100)),
    ),
    sending=st.builds(Sending, pending=_pending, sent=_sent, held=_held),
    codeword=_codewords,
    flags=flags,
    silence=silences,
    signs=signs,
    lifecycle=st.builds(
        Lifecycle,
        state=st.sampled_from(ThreadState),
        since=times,
        last_inbound=times,
        last_outbound=times,
        newest_text=moments,
        closes_at=st.just(0.0) | times,
        continuing=st.booleans(),
    ),
    on_legal_hold=st.booleans(),
    reveal_request=st.none() | st.builds(RevealRequest, by=people, until=times),
)

_members = st.lists(
    st.builds(
        DeskMember,
        user=people,
        role=st.sampled_from(Role),
        on_duty=st.booleans(),
        last_thread=st.sampled_from(("", *OWNERS)),
        away=st.booleans(),
        on_duty_since=times,
        heavy_threads=st.integers(min_value=0, max_value=3),
        debrief_offered_at=times,
    ),
    max_size=4,
    unique_by=lambda seat: seat.user,
).map(tuple)
_entries = st.lists(
    st.builds(
        QueueEntry,
        thread=FIELDS["thread"],
        designation=FIELDS["designation"],
        since=times,
        assignee=st.none() | people,
        offered=st.booleans(),
        has_card=st.booleans(),
        opened_at=times,
        last_activity=times,
        last_was_inbound=st.booleans(),
        auto_assigned=st.booleans(),
        tried_users=st.lists(people, max_size=2).map(tuple),
        duress=st.booleans(),
        heavy=st.booleans(),
        other_hands_at=st.just(0.0) | times,
    ),
    max_size=3,
    unique_by=(lambda line: line.thread, lambda line: line.designation),
).map(tuple)
_crowd = st.lists(
    st.builds(
        CrowdEntry,
        thread=st.sampled_from(("f1", "f2", "f3")),
        designation=st.sampled_from(("stray fern", "stray moss", "stray reed")),
        since=times,
        texts=st.integers(min_value=1, max_value=3),
        danger=st.booleans(),
        asks=st.booleans(),
        duress=st.booleans(),
        closing=st.booleans(),
        language=FIELDS["language"],
        other_hands_at=FIELDS["other_hands_at"],
    ),
    max_size=3,
    unique_by=(lambda entry: entry.thread, lambda entry: entry.designation),
).map(lambda entries: {entry.thread: entry for entry in entries})
_floods = st.builds(
    Flood,
    crowd=_crowd,
    active=st.booleans(),
    arrivals=st.lists(times, max_size=3).map(tuple),
    begun_at=times,
    came=st.integers(min_value=0, max_value=9),
    came_before=st.integers(min_value=0, max_value=9),
    calm_since=times,
    card=st.sampled_from(("", "⚠️ Many new texters at once")),
    reminded=st.booleans(),
    paged_at=times,
    closing=st.none() | st.builds(RestClosing, before=times, until=times, due=times, closed=st.integers(0, 3)),
)
desks: Final = st.builds(
    Desk,
    flood=_floods,
    roster=_members | st.just(MEMBERS),
    power_levels=FIELDS["users"],
    threads=_entries,
    unconfirmed_identities=st.dictionaries(people, FIELDS["master_key"]).map(lambda d: tuple(d.items())),
    outage=st.booleans(),
    waits=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 90)), max_size=6).map(tuple),
    board=st.sampled_from(("", "Queue: 0")),
    board_at=times,
    on_legal_hold=st.lists(FIELDS["thread"], max_size=2, unique=True).map(tuple),
    claimers=st.lists(st.tuples(people, times), max_size=2).map(tuple),
    outreach=st.lists(
        st.builds(ColdOutreach, user=people, until=times, confirmed=st.booleans(), digest=st.sampled_from(("", "d1"))),
        max_size=2,
        unique_by=lambda cold: cold.user,
    ).map(tuple),
    enrolments=st.lists(
        st.builds(
            Enrolment,
            user=people,
            thread=FIELDS["thread"],
            designation=FIELDS["designation"],
            until=times,
            wants_duress_word=st.booleans(),
        ),
        max_size=2,
        unique_by=lambda asking: asking.user,
    ).map(tuple),
    codeword_event_ids=st.lists(st.sampled_from(MESSAGES), max_size=2).map(tuple),
)

facts: Final = st.builds(
    Facts,
    now=times | st.just(NOW),
    roster=_members | st.just(MEMBERS),
    designations=st.frozensets(FIELDS["designation"]),
    load=st.dictionaries(people, st.integers(min_value=0, max_value=6)),
    codeword_match=st.sampled_from((CodewordMatch.NONE, CodewordMatch.NONE, *CodewordMatch)),
    enrolment_answer=st.none()
    | st.builds(EnrolmentAnswer, flaw=st.none() | st.sampled_from(Flaw), digests=st.none() | st.just(DIGESTS)),
    outage=st.booleans(),
    usual_wait=st.sampled_from((0, 5, 60)),
    dialled_number=st.none()
    | st.builds(DialledNumber, kind=st.sampled_from(NumberKind), digest=st.sampled_from(("d1", "d2"))),
    on_legal_hold=st.booleans(),
    display_pending=st.booleans(),
    has_dead_letters=st.booleans(),
    inbound_pending=st.booleans(),
    outbound_pending=st.booleans(),
    new_designation=st.just("still brook"),
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
"""Which receipt may take the place of which: said here a second time, on purpose, and not read from the code.
Back to LEAVING only by a second word of their author."""
