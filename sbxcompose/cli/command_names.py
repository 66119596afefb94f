"""The commands by name: what each is for, and which take names of processes. Imports nothing, for completion."""

from __future__ import annotations

VARIABLE = "_SBXCOMPOSE_COMPLETE"
"""The environment variable in which the shell's script asks: `bash_complete`, `zsh_complete`, `fish_complete`."""
ROOT = "-"
"""Stands for the command line without a command in the table of options."""
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("Start", "Start the project and follow its logs"),
    "down": ("Start", "Stop the project"),
    "start": ("Start", "Start stopped processes"),
    "stop": ("Start", "Stop processes"),
    "restart": ("Start", "Restart processes"),
    "scale": ("Start", "Change the number of replicas of processes"),
    "watch": ("Start", "Restart processes when their files change"),
    "kill": ("Start", "Send a signal to processes"),
    "pause": ("Start", "Suspend sandboxes and everything running in them"),
    "unpause": ("Start", "Resume suspended sandboxes"),
    "run": ("Run", "Run a one-off command or process"),
    "exec": ("Run", "Run a command in the environment of a process"),
    "attach": ("Run", "Attach to the output and input of a running process"),
    "shell": ("Run", "Open a shell in a sandbox"),
    "port": ("Run", "Forward a local port into a sandbox"),
    "cp": ("Run", "Copy files into or out of a sandbox"),
    "ls": ("Inspect", "List all projects"),
    "ps": ("Inspect", "List processes"),
    "top": ("Inspect", "Show processes and logs in a full-screen view"),
    "stats": ("Inspect", "Show CPU and memory usage of processes"),
    "logs": ("Inspect", "Show log output"),
    "why": ("Inspect", "Explain why a process is not running or differs from the file"),
    "plan": ("Inspect", "Show what `up` would do, and why"),
    "graph": ("Inspect", "Show the dependencies of processes"),
    "events": ("Inspect", "Show events: what happened to processes, and why"),
    "wait": ("Inspect", "Wait until processes are ready or have exited"),
    "config": ("File", "Validate the file and print it in resolved form"),
    "init": ("File", "Write a project file for this repository"),
    "convert": ("File", "Convert a file of another tool"),
    "schema": ("File", "Print the JSON schema of the file, for editors"),
    "host": ("Host", "Manage the local host: serve, status, stop"),
    "doctor": ("Host", "Check the configuration and the providers"),
    "mcp": ("Host", "Serve the project to coding agents (Model Context Protocol)"),
    "completion": ("Host", "Print the completion script for a shell"),
    "version": ("Host", "Print the version"),
}
"""Group in the help, and one line of what it does."""
