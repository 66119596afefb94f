"""What the page says: change it, save, and the page changes."""

GREETING = "Hello from the first version"
