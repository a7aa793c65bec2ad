-- Tickets that a run has begun and none has ended: they are planned although they may have left the report.

CREATE TABLE IF NOT EXISTS meta.unfinished_ticket (
    pipeline  varchar(100) NOT NULL,
    ticket_id bigint       NOT NULL,
    since     timestamptz  NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline, ticket_id)
);

COMMENT ON TABLE meta.unfinished_ticket IS 'Tickets that a run of a pipeline has begun and none has ended; a row goes when nothing is left to do.';

-- The rows that the plan asks for by pipeline: few, whatever the size of the log.
CREATE INDEX IF NOT EXISTS idx_daemon_log_unfinished
    ON meta.daemon_action_log (pipeline, ticket_id) WHERE status IN ('failed', 'in_progress');

-- Tickets with a result that no summary has posted were begun by an earlier release.
INSERT INTO meta.unfinished_ticket (pipeline, ticket_id)
SELECT DISTINCT pipeline, ticket_id FROM meta.daemon_action_log
WHERE pipeline IS NOT NULL AND status = 'completed' AND summary_lines IS NOT NULL AND summarised_at IS NULL
ON CONFLICT DO NOTHING;
