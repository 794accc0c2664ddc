"""What every unit for systemd that `quietline init` writes is shut off from."""

from __future__ import annotations

from typing import Final

PROTECTED: Final = """\
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""
"""What no unit needs: kernel, clock, other processes, other kinds of network (systemd.exec(5), "Sandboxing")."""
