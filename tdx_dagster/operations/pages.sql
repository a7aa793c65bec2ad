-- What the pages of operations ask; each statement reads a bounded part of the log.

-- name: activity
-- What happened on each day to each action: tickets, outcomes, computers attached, and none found.
WITH event AS (
    SELECT (past.at AT TIME ZONE :zone)::date AS day, COALESCE(past.pipeline, '') AS pipeline,
           split_part(past.action_id, ':', 1) AS action, past.ticket_id, past.event, past.effect
    FROM meta.action_attempt AS past
    WHERE past.at >= :since
      AND (past.event IN ('completed', 'failed')
           OR (past.event IN ('done', 'reconciled') AND past.effect LIKE 'attach:%'))
), counted AS (
    SELECT day, pipeline, action,
           count(DISTINCT ticket_id) AS tickets,
           count(*) FILTER (WHERE event = 'completed') AS completed,
           count(*) FILTER (WHERE event = 'failed') AS failed,
           count(DISTINCT concat_ws(' ', ticket_id, effect)) FILTER (WHERE effect IS NOT NULL) AS attached
    FROM event GROUP BY 1, 2, 3
), without AS (
    SELECT (log.executed_at AT TIME ZONE :zone)::date AS day, COALESCE(log.pipeline, '') AS pipeline,
           log.action_type AS action, count(*) AS none_found
    FROM meta.daemon_action_log AS log
    WHERE log.executed_at >= :since AND log.status = 'completed'
      AND log.metadata -> 'details' ? 'attached'
      AND log.metadata -> 'details' -> 'attached' = '[]'::jsonb
      AND log.metadata -> 'details' -> 'already' = '[]'::jsonb
    GROUP BY 1, 2, 3
)
SELECT counted.day, counted.pipeline, counted.action, counted.tickets, counted.completed, counted.failed, counted.attached,
       COALESCE(without.none_found, 0) AS none_found
FROM counted LEFT JOIN without USING (day, pipeline, action)
ORDER BY counted.day DESC, counted.pipeline, counted.action;

-- name: waiting_for_a_person
-- The actions that no run does by itself any more, newest first.
SELECT ticket_id, COALESCE(pipeline, '') AS pipeline, COALESCE(action_name, action_type) AS action,
       failure_kind, error_message, attempts, executed_at
FROM meta.daemon_action_log
WHERE status = 'failed' AND failure_kind IN ('permanent', 'uncertain')
ORDER BY executed_at DESC, ticket_id, action_id LIMIT :limit;

-- name: count_waiting
-- How many tickets wait for a person.
SELECT count(DISTINCT ticket_id) FROM meta.daemon_action_log
WHERE status = 'failed' AND failure_kind IN ('permanent', 'uncertain');

-- name: no_computer_found
-- Tickets on which a search for computers ended without one, newest first.
SELECT ticket_id, COALESCE(pipeline, '') AS pipeline, metadata -> 'details' ->> 'reason' AS reason,
       COALESCE(metadata ->> 'message', '') AS message, executed_at
FROM meta.daemon_action_log
WHERE executed_at >= :since AND status = 'completed' AND metadata -> 'details' ? 'attached'
  AND metadata -> 'details' -> 'attached' = '[]'::jsonb AND metadata -> 'details' -> 'already' = '[]'::jsonb
ORDER BY executed_at DESC, ticket_id LIMIT :limit;

-- name: budget
-- Each limit, how much of it is in use, and what was counted today.
SELECT key, COALESCE(learned, cardinality(slots)) AS allowed, COALESCE(learned_period, period) AS period,
       learned = 0 AS is_unlimited,
       (SELECT count(*) FROM unnest(slots) AS granted
        WHERE granted > clock_timestamp() - make_interval(secs => COALESCE(learned_period, period))) AS used,
       CASE WHEN is_today THEN counted_calls ELSE 0 END AS calls, CASE WHEN is_today THEN counted_waits ELSE 0 END AS waits,
       CASE WHEN is_today THEN counted_seconds ELSE 0 END AS waited,
       CASE WHEN is_today THEN counted_penalties ELSE 0 END AS penalties
FROM meta.rate_window,
     LATERAL (SELECT COALESCE(counted_on = (clock_timestamp() AT TIME ZONE 'UTC')::date, false)) AS day (is_today)
ORDER BY calls DESC, key;

-- name: newest_event
-- The last event of the action log; it differs where something was done in between.
SELECT COALESCE(max(attempt_id), 0) FROM meta.action_attempt;

-- name: versions
-- What the database runs on.
SELECT current_setting('server_version') AS server, pg_size_pretty(pg_database_size(current_database())) AS size,
       (SELECT count(*) FROM meta.daemon_action_log) AS actions;
