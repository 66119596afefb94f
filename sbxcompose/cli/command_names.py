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
    "run": ("Start", "Run a one-off command or process"),
    "exec": ("Start", "Run a command in the environment of a process"),
    "attach": ("Start", "Attach to the output and input of a running process"),
    "shell": ("Start", "Open a shell in a sandbox"),
    "port": ("Start", "Forward a local port into a sandbox"),
    "cp": ("Start", "Copy files into or out of a sandbox"),
    "ls": ("Look", "List all projects"),
    "ps": ("Look", "List processes"),
    "top": ("Look", "Show processes and logs in a full-screen view"),
    "stats": ("Look", "Show CPU and memory usage of processes"),
    "logs": ("Look", "Show log output"),
    "why": ("Look", "Explain why a process is not running or differs from the file"),
    "plan": ("Look", "Show what `up` would do, and why"),
    "graph": ("Look", "Show which process needs which"),
    "events": ("Look", "Show events: what happened to processes, and why"),
    "wait": ("Look", "Wait until processes are ready or have exited"),
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
