-- What is asked and stored to send a problem once, and its end once.

-- name: lock
-- One process at a time decides what is sent; the other leaves it to that one.
SELECT pg_try_advisory_xact_lock(hashtextextended('tdx-alerts:' || CAST(:source AS text), 0));

-- name: begin
-- The problems that are there now; one that was known stays as it was.
INSERT INTO meta.alert (source, problem, text)
SELECT :source, found.problem, found.text
FROM unnest(CAST(:problems AS text[]), CAST(:texts AS text[])) AS found (problem, text)
ON CONFLICT (source, problem) DO UPDATE SET ended_at = NULL;

-- name: end
-- The problems that are gone.
UPDATE meta.alert SET ended_at = clock_timestamp()
WHERE source = :source AND ended_at IS NULL AND problem <> ALL(CAST(:problems AS text[]));

-- name: forget_unsent
-- A problem that ended before it was sent needs no message.
DELETE FROM meta.alert WHERE source = :source AND sent_at IS NULL AND ended_at IS NOT NULL;

-- name: unsent
-- What is to be sent: problems that began, and those that ended.
SELECT problem, text, since, ended_at IS NOT NULL AS is_ended FROM meta.alert
WHERE source = :source AND (sent_at IS NULL OR ended_at IS NOT NULL)
ORDER BY is_ended, since, problem;

-- name: mark_sent
-- People know of these problems.
UPDATE meta.alert SET sent_at = clock_timestamp()
WHERE source = :source AND sent_at IS NULL AND ended_at IS NULL;

-- name: forget_ended
-- People know that these problems have ended.
DELETE FROM meta.alert WHERE source = :source AND ended_at IS NOT NULL;

-- name: people_needed
-- The tickets that wait for a person, oldest first: what is beyond the limit is found once others are gone.
SELECT ticket_id, COALESCE(pipeline, '') AS pipeline,
       COALESCE(action_name, action_type) AS action, failure_kind, error_message
FROM meta.daemon_action_log
WHERE status = 'failed' AND failure_kind IN ('permanent', 'uncertain')
ORDER BY executed_at, ticket_id, action_id LIMIT :limit;

-- name: failing_jobs
-- The jobs whose failed runs were sent, and their end not yet.
SELECT problem FROM meta.alert WHERE source = :source AND problem LIKE 'run:%' AND ended_at IS NULL;
