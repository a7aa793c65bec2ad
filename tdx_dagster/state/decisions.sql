-- name: again
-- A person says that actions run on tickets again: what has ended is due at once, and no longer undone.
WITH chosen AS (
    SELECT log_id, ticket_id, action_id, pipeline FROM meta.daemon_action_log
    WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[]))
      AND (CAST(:action_ids AS text[]) IS NULL OR action_id = ANY(CAST(:action_ids AS text[])))
      AND status IN ('completed', 'skipped') AND next_attempt_at IS NULL
      AND (NOT CAST(:only_undone AS boolean) OR COALESCE(metadata, '{}'::jsonb) -> 'undone' IS NOT NULL)
    FOR UPDATE
), changed AS (
    UPDATE meta.daemon_action_log AS log
    SET status = 'skipped', next_attempt_at = clock_timestamp(), attempts = 0,
        metadata = COALESCE(log.metadata, '{}'::jsonb) - 'undone'
    FROM chosen WHERE log.log_id = chosen.log_id
)
INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, event, detail)
SELECT ticket_id, action_id, pipeline, :run_id, 'again', jsonb_build_object('by', CAST(:by AS text), 'reason', CAST(:reason AS text))
FROM chosen
RETURNING ticket_id;

-- name: override
-- A person says that computers which people have removed from a ticket before now may be attached again.
INSERT INTO meta.action_attempt (ticket_id, action_id, run_id, event, effect, detail)
SELECT unnest(CAST(:ticket_ids AS bigint[])), :action_id, :run_id, 'done', :effect,
       jsonb_build_object('by', CAST(:by AS text), 'reason', CAST(:reason AS text))
RETURNING ticket_id;

-- name: done_actions
-- Actions with an effect on a ticket that may be taken back, and how each ended.
SELECT log.ticket_id, log.action_id, COALESCE(log.action_name, log.action_type) AS name
FROM meta.daemon_action_log AS log
WHERE (CAST(:ticket_ids AS bigint[]) IS NULL OR log.ticket_id = ANY(CAST(:ticket_ids AS bigint[])))
  AND (CAST(:name AS text) IS NULL OR COALESCE(log.action_name, log.action_type) = :name)
  AND (CAST(:pipeline AS text) IS NULL OR log.pipeline = :pipeline)
  AND log.action_type <> 'undo'
  AND EXISTS (
      SELECT FROM meta.action_attempt AS past
      WHERE past.ticket_id = log.ticket_id AND past.action_id = log.action_id AND past.effect IS NOT NULL
        AND past.event IN ('intent', 'unclear', 'done', 'reconciled')
        AND (CAST(:run_id AS text) IS NULL OR past.run_id = :run_id)
        AND (CAST(:since AS timestamptz) IS NULL OR past.at >= :since))
ORDER BY log.ticket_id, log.executed_at DESC, log.action_id;

-- name: mark_undone
-- The action does not run on the ticket again until a person says so; its result is in no later summary.
WITH marked AS (
    UPDATE meta.daemon_action_log SET
        status = 'skipped', next_attempt_at = NULL, failure_kind = NULL, claim_token = NULL, lease_until = NULL,
        error_message = 'undone by ' || CAST(:by AS text),
        summarised_at = CASE WHEN summary_lines IS NOT NULL THEN COALESCE(summarised_at, clock_timestamp()) END,
        metadata = COALESCE(metadata, '{}'::jsonb)
            || jsonb_build_object('undone', jsonb_build_object('by', CAST(:by AS text), 'at', clock_timestamp()))
    WHERE ticket_id = :ticket_id AND action_id = :action_id
      AND (status <> 'in_progress' OR lease_until < clock_timestamp())
      AND COALESCE(metadata, '{}'::jsonb) -> 'undone' IS NULL
    RETURNING ticket_id, action_id, pipeline
), noted AS (
    INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, event, detail)
    SELECT ticket_id, action_id, pipeline, :run_id, 'undone', jsonb_build_object('by', CAST(:by AS text)) FROM marked
)
SELECT ticket_id FROM marked
UNION ALL
SELECT ticket_id FROM meta.daemon_action_log
WHERE ticket_id = :ticket_id AND action_id = :action_id AND metadata -> 'undone' IS NOT NULL;
