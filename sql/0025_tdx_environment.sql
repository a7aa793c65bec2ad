-- Which TDX the action log and the inventory belong to: ids of tickets and actions are equal in a sandbox, a copy.

CREATE TABLE IF NOT EXISTS meta.tdx_environment (
    is_only     boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    address     text        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE meta.tdx_environment IS 'The one TDX, as host and path, whose tickets and assets this database knows; no row before the first write.';
