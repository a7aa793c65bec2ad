-- Runs in place of the file of this name, without locking a large log: its indexes are built while others read and
-- write. A `ticket_id` of type integer stays as it is, with the views over it: TDX counts tickets in 32 bits, and
-- another type would write the whole log anew.

-- name: columns
-- Empty columns: no row is written.
ALTER TABLE meta.daemon_action_log
    ADD COLUMN IF NOT EXISTS action_name     varchar(100),
    ADD COLUMN IF NOT EXISTS pipeline        varchar(100),
    ADD COLUMN IF NOT EXISTS run_id          varchar(100),
    ADD COLUMN IF NOT EXISTS claim_token     uuid,
    ADD COLUMN IF NOT EXISTS lease_until     timestamptz,
    ADD COLUMN IF NOT EXISTS attempts        integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS failure_kind    varchar(20),
    ADD COLUMN IF NOT EXISTS next_attempt_at timestamptz,
    ADD COLUMN IF NOT EXISTS summary_lines   jsonb,
    ADD COLUMN IF NOT EXISTS summarised_at   timestamptz;

COMMENT ON COLUMN meta.daemon_action_log.action_name IS 'Name of the action in its pipeline; empty in rows of the older daemon, where it is the type.';
COMMENT ON COLUMN meta.daemon_action_log.claim_token IS 'Who holds the action on this ticket while status is in_progress.';
COMMENT ON COLUMN meta.daemon_action_log.lease_until IS 'Database time until which the claim is good; after that another run may take over, looking first.';
COMMENT ON COLUMN meta.daemon_action_log.failure_kind IS 'retryable, permanent or uncertain; empty unless status is failed.';
COMMENT ON COLUMN meta.daemon_action_log.next_attempt_at IS 'When a failed or skipped action may be tried again; empty means at once for failed, never for skipped.';
COMMENT ON COLUMN meta.daemon_action_log.summary_lines IS 'What a summary has to say of this result; told once summarised_at is set.';

-- name: open_rows
-- Failed and claimed rows, the newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_daemon_log_open
    ON meta.daemon_action_log (status, executed_at DESC) WHERE status IN ('failed', 'in_progress');

-- name: unsummarised_rows
-- Results that no summary has posted.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_daemon_log_untold
    ON meta.daemon_action_log (ticket_id) WHERE summary_lines IS NOT NULL AND summarised_at IS NULL;

-- name: rows_by_time
-- The newest rows.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_daemon_log_executed_at ON meta.daemon_action_log (executed_at DESC);

-- name: attempts
-- Every attempt, append-only, and the two views people already have.
CREATE TABLE IF NOT EXISTS meta.action_attempt (
    attempt_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket_id   bigint NOT NULL,
    action_id   varchar(255) NOT NULL,
    pipeline    varchar(100),
    run_id      varchar(100),
    claim_token uuid,
    event       varchar(30) NOT NULL,
    effect      varchar(255),
    detail      jsonb NOT NULL DEFAULT '{}'::jsonb,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX IF NOT EXISTS idx_action_attempt_ticket ON meta.action_attempt (ticket_id, action_id, attempt_id);

CREATE OR REPLACE FUNCTION meta.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: history is never changed', TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
END $$;

DROP TRIGGER IF EXISTS action_attempt_append_only ON meta.action_attempt;
CREATE TRIGGER action_attempt_append_only BEFORE UPDATE OR DELETE ON meta.action_attempt
    FOR EACH ROW EXECUTE FUNCTION meta.refuse_change();

-- The two views people already have stay as they are, whatever was added to them.
DO $$
BEGIN
    IF to_regclass('meta.daemon_activity_summary') IS NULL THEN
        CREATE VIEW meta.daemon_activity_summary AS
        SELECT action_type, status, count(*) AS action_count,
               max(executed_at) AS last_executed, min(executed_at) AS first_executed
        FROM meta.daemon_action_log
        GROUP BY action_type, status
        ORDER BY action_type, status;
    END IF;
    IF to_regclass('meta.daemon_recent_activity') IS NULL THEN
        CREATE VIEW meta.daemon_recent_activity AS
        SELECT log_id, ticket_id, action_type, action_id, status, executed_at, error_message
        FROM meta.daemon_action_log
        WHERE executed_at >= CURRENT_TIMESTAMP - INTERVAL '24 hours'
        ORDER BY executed_at DESC;
    END IF;
END $$;

-- name: statistics
-- Without them the first questions after an upgrade read the whole log.
ANALYZE meta.daemon_action_log;
