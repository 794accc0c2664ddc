"""Maps each command to the function that does it, for each place where it may be said.

Rules of this module: every command of the registry (`bot.commands.spec`) has exactly one function for each place where it
may be said, and every name here is in the registry (a test compares the two). A function is called only when the registry
lets the sender say the command there, so it checks neither. Rows are in the order of the registry.
"""

from __future__ import annotations

from typing import Final

from bot.codeword import codeword_commands
from bot.commands import dispatch, playbooks
from bot.commands.dispatch import Functions, by_name
from bot.display import desk_board, reading_language
from bot.drills import drill_commands
from bot.lifecycle import audit_trail, legal_hold, number_reveal, recap, retention, tally
from bot.safety import blocking, consent_flags, opt_out, unsafe_phone
from bot.sending import release_held, reply_after_stop
from bot.staffing import claim_queue, close_rest, cold_outreach, duty, first_times, incidents, outage, transfer

THREAD_COMMANDS: Final[Functions] = {
    "claim": transfer.claim,
    "off": by_name(transfer.off, on=dispatch.only_at_desk, languages=dispatch.only_at_desk),
    "transfer": transfer.offer_transfer,
    "accept": transfer.accept,
    "escalate": transfer.escalate,
    "with": transfer.bring_in,
    "take": transfer.take,
    "speak": transfer.speak,
    "listen": transfer.listen,
    "release": transfer.release,
    "unsafe": unsafe_phone.unsafe,
    "safe": unsafe_phone.safe,
    "say": by_name(release_held.say, different=unsafe_phone.different),
    "lang": consent_flags.set_language,
    "quiet": first_times.quiet_in_thread,
    "agreed": by_name(consent_flags.note_agreement, told=consent_flags.note_told),
    "note": dispatch.note,
    "playbook": by_name(playbooks.playbook, subpoena=legal_hold.subpoena),
    "anyway": release_held.release,
    "stopped": by_name(opt_out.stop_by_hand, resume=opt_out.resume_by_hand),
    "reply": reply_after_stop.reply,
    "block": blocking.block,
    "tally": tally.tally,
    "codeword": by_name(codeword_commands.codeword, forget_word=codeword_commands.forget_word),
    "verify": codeword_commands.verify,
    "cover": codeword_commands.cover,
    "unlock": codeword_commands.unlock,
    "recap": recap.recap,
    "debrief": transfer.offer_debrief,
    "status": desk_board.status,
    "close": by_name(retention.close, reopen=retention.reopen),
    "continue": retention.keep_longer,
    "redact": retention.redact,
    "hold": legal_hold.hold,
    "reveal": number_reveal.ask,
    "help": dispatch.show_commands_in_thread,
}
DESK_COMMANDS: Final[Functions] = {
    "claim": claim_queue.claim,
    "off": by_name(duty.duty, languages=duty.languages),
    "trust": duty.trust,
    "signout": duty.sign_out,
    "devices": duty.devices,
    "listen": duty.listen,
    "unsafe": unsafe_phone.unsafe_at_desk,
    "lang": reading_language.choose_at_desk,
    "quiet": first_times.quiet_at_desk,
    "playbook": by_name(playbooks.playbook_elsewhere, subpoena=legal_hold.subpoena_at_desk),
    "outage": outage.outage,
    "drill": drill_commands.drill,
    "close-rest": close_rest.close_rest,
    "time": incidents.trust_clock,
    "retry": incidents.retry,
    "reveal": number_reveal.confirm_at_desk,
    "status": desk_board.board,
    "audit": audit_trail.show_audit,
    "help": dispatch.show_commands_at_desk,
}
OFFICE_COMMANDS: Final[Functions] = {
    "unsafe": unsafe_phone.unsafe_at_desk,
    "lang": reading_language.choose_at_desk,
    "quiet": first_times.quiet_at_desk,
    "playbook": by_name(playbooks.playbook_elsewhere, subpoena=legal_hold.subpoena_at_desk),
    "drill": drill_commands.drill,
    "text": cold_outreach.begin,
    "help": dispatch.show_commands_at_desk,
}
