"""Everything Matrix is imported through this package, because mautrix must never meet libolm.

mautrix imports a module called `olm`. The one on the package index wraps libolm, which is deprecated, and which a malformed
to-device message can crash. So our module over vodozemac takes its place before anything below this package can import
`mautrix.crypto`; importing in the other order raises RuntimeError at once.
"""

from bridge.matrix.olm.vodozemac_olm import install

install()
