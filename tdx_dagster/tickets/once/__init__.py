"""Why an action happens once per ticket: claim, intent, fence, settle, record (docs/exactly-once.md)."""
