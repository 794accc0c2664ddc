"""The texter's choices and the phone's safety: opt-out, blocks, unsafe phone, silence, cues, consent."""
