"""scenegen: rare-event driving scenarios from a query."""
