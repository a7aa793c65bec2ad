-- What is asked to judge a pipeline's tickets.

-- name: stuck_tickets
-- The tickets that `tdx-dagster failed` lists, by what they wait for.
WITH open AS (
    SELECT ticket_id,
           CASE WHEN status = 'in_progress' THEN 'abandoned'
                WHEN failure_kind IN ('permanent', 'uncertain') THEN 'person'
                WHEN executed_at < clock_timestamp() - CAST(:stuck_after AS interval) THEN 'old'
                ELSE 'waiting' END AS waits_for
    FROM meta.daemon_action_log
    WHERE (status = 'failed'
           OR (status = 'in_progress' AND COALESCE(lease_until, '-infinity') < clock_timestamp()))
      AND (CAST(:pipeline AS text) IS NULL OR pipeline = CAST(:pipeline AS text))
)
SELECT count(DISTINCT ticket_id) FILTER (WHERE waits_for = 'person') AS person,
       count(DISTINCT ticket_id) FILTER (WHERE waits_for = 'abandoned') AS abandoned,
       count(DISTINCT ticket_id) FILTER (WHERE waits_for = 'old') AS old,
       count(DISTINCT ticket_id) FILTER (WHERE waits_for = 'waiting') AS waiting,
       min(ticket_id) FILTER (WHERE waits_for <> 'waiting') AS example
FROM open;
