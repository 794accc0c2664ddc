"""The sandbox settings of every systemd unit that `quietline init` writes."""

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
"""Denies what no unit needs: kernel, clock, other processes, other address families (systemd.exec(5), "Sandboxing")."""
