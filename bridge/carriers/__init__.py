"""Carriers: how a text comes in and how it leaves. `adapter` is the contract, and vendors are in `vendors`."""
