"""The calls of the TDX Web API, a module per group: each handler reads a call and changes the tenant."""
