"""Tuning an encoder on labelled texts, and measuring one."""
