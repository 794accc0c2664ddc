"""Carriers: how a text comes in and how it leaves. `adapter` is the contract; each other file is one vendor."""
