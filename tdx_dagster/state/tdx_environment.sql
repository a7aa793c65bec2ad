-- name: recorded
-- Gives the environment that the database belongs to.
SELECT address FROM meta.tdx_environment;

-- name: record
-- Records the first environment; a later one changes nothing.
INSERT INTO meta.tdx_environment (address) VALUES (:address) ON CONFLICT DO NOTHING;

-- name: move
-- Makes the database belong to another environment.
INSERT INTO meta.tdx_environment (address) VALUES (:address)
ON CONFLICT (is_only) DO UPDATE SET address = excluded.address, recorded_at = clock_timestamp();

-- name: has_history
-- Tells whether the database knows tickets or assets of a TDX.
SELECT
    EXISTS (SELECT FROM meta.daemon_action_log)
    OR EXISTS (SELECT FROM bronze.raw_entities) AS found;
