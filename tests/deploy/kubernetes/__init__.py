"""Tests of the Helm chart and of what is made for it."""
