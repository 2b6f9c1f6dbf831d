"""Hooks of coding agents (Claude Code, Codex, Gemini, Copilot, Cursor): every tool call is judged before the client runs it.

thin        what the client starts: standard library only, asks the daemon; falls back to a process of its own, never to allow
clients     how each client says what it is about to do, and how it is told
answers     from a client's words to a reply: whatever goes wrong is a denial
options     which policies, ledger and folder; where the socket lies
daemon      keeps a guard loaded, for one user
install     puts the hook into a client's settings, and takes it out again
doctor      replays what can go wrong against the command that is installed
"""
