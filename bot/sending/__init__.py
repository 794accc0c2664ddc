"""An answer on its way to the phone: undo window, held texts, retraction, delivery receipts, automatic replies."""
