-- What the plan asks of the action log (`rows`, `unfinished`), and each step of a claim.

-- name: rows
-- The log of a set of tickets, judged in database time.
SELECT log.ticket_id, log.action_type, COALESCE(log.action_name, log.action_type) AS name, log.action_id,
       log.status, log.executed_at, log.failure_kind, log.error_message, log.attempts,
       log.next_attempt_at, log.pipeline, log.run_id, log.metadata,
       (log.status = 'in_progress' AND log.lease_until < clock_timestamp())
         OR (log.status = 'failed' AND COALESCE(log.failure_kind, 'retryable') = 'retryable'
             AND COALESCE(log.next_attempt_at, '-infinity') <= clock_timestamp())
         OR (log.status = 'skipped' AND log.next_attempt_at <= clock_timestamp()) AS is_due,
       log.summary_lines IS NOT NULL AND log.summarised_at IS NULL AS is_unsummarised,
       log.summary_lines IS NOT NULL AS has_lines,
       log.action_name IS NOT NULL AS is_named
FROM meta.daemon_action_log AS log
WHERE log.ticket_id = ANY(CAST(:ticket_ids AS bigint[]))
ORDER BY log.executed_at, log.action_id;

-- name: claim
-- The unique constraint decides who works on an action; rows that are due may be taken over.
-- The status before is read in the statement's own snapshot, so it is that of the row that was taken.
WITH before AS (
    SELECT status FROM meta.daemon_action_log WHERE ticket_id = :ticket_id AND action_id = :action_id
), taken AS (
    INSERT INTO meta.daemon_action_log AS log
        (ticket_id, action_type, action_id, action_hash, action_name, pipeline, run_id,
         status, claim_token, lease_until, attempts, executed_at)
    VALUES (:ticket_id, :action_type, :action_id, :action_hash, :action_name, :pipeline, :run_id,
            'in_progress', CAST(:token AS uuid),
            clock_timestamp() + make_interval(secs => :lease_seconds), 1, clock_timestamp())
    ON CONFLICT (ticket_id, action_id) DO UPDATE SET
        status = 'in_progress', claim_token = EXCLUDED.claim_token,
        lease_until = clock_timestamp() + make_interval(secs => :lease_seconds),
        run_id = EXCLUDED.run_id, pipeline = EXCLUDED.pipeline, action_name = EXCLUDED.action_name,
        attempts = CASE WHEN log.status IN ('failed', 'in_progress') THEN log.attempts + 1 ELSE 1 END,
        next_attempt_at = NULL, failure_kind = NULL,
        -- A row of the older daemon stays known as one, with what it was: its effect may be on the ticket.
        metadata = CASE WHEN log.pipeline IS NULL AND log.run_id IS NULL
                        THEN COALESCE(log.metadata, '{}'::jsonb) || jsonb_build_object('older_daemon',
                             jsonb_build_object('status', log.status, 'executed_at', log.executed_at))
                        ELSE log.metadata END
    WHERE (log.status = 'in_progress' AND log.lease_until < clock_timestamp())
       OR (log.status = 'failed' AND COALESCE(log.failure_kind, 'retryable') = 'retryable'
           AND COALESCE(log.next_attempt_at, '-infinity') <= clock_timestamp())
       OR (log.status = 'skipped' AND log.next_attempt_at <= clock_timestamp())
       OR (log.status = 'completed' AND :again)
    RETURNING log.attempts
), noted AS (
    INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, claim_token, event, detail)
    SELECT :ticket_id, :action_id, :pipeline, :run_id, CAST(:token AS uuid), 'claimed',
           jsonb_build_object('attempt', attempts)
    FROM taken
)
SELECT attempts, (SELECT status FROM before) AS previous FROM taken;

-- name: release
-- Give a claim back as if it had not been taken: a new row goes, an older one is due as it was.
WITH gone AS (
    DELETE FROM meta.daemon_action_log
    WHERE ticket_id = :ticket_id AND action_id = :action_id AND status = 'in_progress'
      AND claim_token = CAST(:token AS uuid) AND CAST(:previous AS text) IS NULL
    RETURNING log_id
), restored AS (
    UPDATE meta.daemon_action_log SET
        status = CASE :previous WHEN 'in_progress' THEN 'failed' ELSE :previous END,
        failure_kind = CASE WHEN :previous IN ('failed', 'in_progress') THEN 'retryable' END,
        attempts = greatest(attempts - 1, 0),
        next_attempt_at = CASE :previous WHEN 'completed' THEN NULL ELSE clock_timestamp() END,
        claim_token = NULL, lease_until = NULL
    WHERE ticket_id = :ticket_id AND action_id = :action_id AND status = 'in_progress'
      AND claim_token = CAST(:token AS uuid) AND CAST(:previous AS text) IS NOT NULL
    RETURNING log_id
)
SELECT log_id FROM gone UNION ALL SELECT log_id FROM restored;

-- name: skip
-- Not done while the ticket is as it is. The pause doubles: it is as long as the row has been skipped already.
WITH before AS (
    SELECT status, executed_at FROM meta.daemon_action_log
    WHERE ticket_id = :ticket_id AND action_id = :action_id
), skipped AS (
    INSERT INTO meta.daemon_action_log AS log
        (ticket_id, action_type, action_id, action_hash, action_name, pipeline, run_id,
         status, executed_at, error_message, next_attempt_at)
    VALUES (:ticket_id, :action_type, :action_id, :action_hash, :action_name, :pipeline, :run_id,
            'skipped', clock_timestamp(), :message,
            clock_timestamp() + make_interval(secs => :first_pause_seconds))
    ON CONFLICT (ticket_id, action_id) DO UPDATE SET
        status = 'skipped', failure_kind = NULL, claim_token = NULL, lease_until = NULL,
        run_id = EXCLUDED.run_id, pipeline = EXCLUDED.pipeline, action_name = EXCLUDED.action_name,
        error_message = EXCLUDED.error_message,
        executed_at = CASE log.status WHEN 'skipped' THEN log.executed_at ELSE clock_timestamp() END,
        next_attempt_at = clock_timestamp() + make_interval(secs =>
            CASE log.status WHEN 'skipped' THEN
                least(greatest(CAST(extract(epoch FROM clock_timestamp() - log.executed_at) AS double precision),
                               :first_pause_seconds), :longest_pause_seconds)
            ELSE :first_pause_seconds END)
    WHERE (log.status = 'in_progress' AND log.lease_until < clock_timestamp())
       OR (log.status = 'failed' AND COALESCE(log.failure_kind, 'retryable') = 'retryable'
           AND COALESCE(log.next_attempt_at, '-infinity') <= clock_timestamp())
       OR (log.status = 'skipped' AND log.next_attempt_at <= clock_timestamp())
    RETURNING log_id
), noted AS (
    INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, event, detail)
    SELECT :ticket_id, :action_id, :pipeline, :run_id, 'skipped', jsonb_build_object('message', CAST(:message AS text))
    FROM skipped WHERE NOT EXISTS (SELECT FROM before WHERE status = 'skipped')
)
SELECT log_id FROM skipped;

-- name: lock_effect
-- Two holders of different actions may reach for the same effect on a ticket; one at a time.
SELECT pg_advisory_xact_lock(hashtextextended('tdx-effect:' || CAST(:ticket_id AS text) || ':' || :effect, 0));

-- name: renew
-- The fence: only a live claim may go on, and it gets a new lease.
UPDATE meta.daemon_action_log
SET lease_until = clock_timestamp() + make_interval(secs => :lease_seconds)
WHERE ticket_id = :ticket_id AND action_id = :action_id AND status = 'in_progress'
  AND claim_token = CAST(:token AS uuid) AND lease_until > clock_timestamp()
RETURNING lease_until;

-- name: last_effect_event
-- How far an effect has come on this ticket, whoever began it.
SELECT attempt_id, action_id, event, detail, CAST(claim_token AS text) AS claim_token,
       extract(epoch FROM clock_timestamp() - at) AS age_seconds
FROM meta.action_attempt
WHERE ticket_id = :ticket_id AND effect = :effect
ORDER BY attempt_id DESC LIMIT 1;

-- name: note
-- One more event in the history of an action on a ticket.
INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, claim_token, event, effect, detail)
VALUES (:ticket_id, :action_id, :pipeline, :run_id, CAST(:token AS uuid), :event, :effect,
        CAST(:detail AS jsonb))
RETURNING attempt_id;

-- name: finish
-- Give the claim back with its result; only its holder can.
UPDATE meta.daemon_action_log SET
    status = :status, error_message = :message, failure_kind = :failure_kind,
    next_attempt_at = clock_timestamp() + make_interval(secs => :retry_in_seconds),
    executed_at = clock_timestamp(), claim_token = NULL, lease_until = NULL,
    summary_lines = COALESCE(CAST(:summary_lines AS jsonb), summary_lines),
    summarised_at = CASE WHEN CAST(:summary_lines AS jsonb) IS NULL THEN summarised_at END,
    metadata = COALESCE(metadata, '{}'::jsonb) || CAST(:metadata AS jsonb)
WHERE ticket_id = :ticket_id AND action_id = :action_id AND status = 'in_progress'
  AND claim_token = CAST(:token AS uuid)
RETURNING log_id;

-- name: mark_summarised
-- Mark the results that a summary has posted.
UPDATE meta.daemon_action_log SET summarised_at = clock_timestamp()
WHERE ticket_id = :ticket_id AND action_id = ANY(CAST(:action_ids AS text[])) AND summarised_at IS NULL;

-- name: results
-- Results of a pipeline on a ticket that have lines for a summary.
SELECT action_id, COALESCE(action_name, action_type) AS name, summary_lines, executed_at,
       summarised_at IS NOT NULL AS is_summarised
FROM meta.daemon_action_log
WHERE ticket_id = :ticket_id AND pipeline = :pipeline AND status = 'completed' AND summary_lines IS NOT NULL
ORDER BY executed_at, action_id;

-- name: open_tickets
-- A run has begun with these tickets.
INSERT INTO meta.unfinished_ticket (pipeline, ticket_id)
SELECT :pipeline, unnest(CAST(:ticket_ids AS bigint[]))
ON CONFLICT DO NOTHING;

-- name: close_tickets
-- Nothing is left to do on these tickets.
DELETE FROM meta.unfinished_ticket
WHERE pipeline = :pipeline AND ticket_id = ANY(CAST(:ticket_ids AS bigint[]));

-- name: unfinished
-- Tickets that a run has begun and none has ended, and those whose rows say that something is open. One with an
-- action that goes on at a stated time is left out until then, so that many of them hide no other.
SELECT ticket_id, min(since) AS since FROM (
    SELECT begun.ticket_id, begun.since FROM meta.unfinished_ticket AS begun
    WHERE begun.pipeline = :pipeline AND NOT EXISTS (
        SELECT 1 FROM meta.daemon_action_log AS log
        WHERE log.ticket_id = begun.ticket_id AND log.pipeline = begun.pipeline AND log.status = 'skipped'
          AND log.next_attempt_at > clock_timestamp() AND starts_with(log.error_message, :scheduled)
    )
    UNION ALL
    SELECT ticket_id, executed_at FROM meta.daemon_action_log
    WHERE pipeline = :pipeline AND status IN ('failed', 'in_progress')
      AND (status = 'in_progress' OR COALESCE(failure_kind, 'retryable') = 'retryable')
) AS open
GROUP BY ticket_id ORDER BY since, ticket_id LIMIT :limit;

-- name: effects
-- The last event of every effect ever begun on a ticket.
SELECT DISTINCT ON (effect) effect, attempt_id, action_id, event, detail,
       extract(epoch FROM clock_timestamp() - at) AS age_seconds
FROM meta.action_attempt
WHERE ticket_id = :ticket_id AND effect IS NOT NULL
ORDER BY effect, attempt_id DESC;

-- name: mark_all_completed
-- Record actions as completed on many tickets without doing them.
INSERT INTO meta.daemon_action_log
    (ticket_id, action_type, action_id, action_hash, action_name, pipeline, status, executed_at, metadata)
SELECT ticket.ticket_id, action.action_type, action.action_id, action.action_hash, action.action_name,
       :pipeline, 'completed', clock_timestamp(), CAST(:metadata AS jsonb)
FROM unnest(CAST(:ticket_ids AS bigint[])) AS ticket (ticket_id)
CROSS JOIN unnest(CAST(:action_type AS text[]), CAST(:action_id AS text[]),
                  CAST(:action_hash AS text[]), CAST(:action_name AS text[]))
    AS action (action_type, action_id, action_hash, action_name)
ON CONFLICT (ticket_id, action_id) DO NOTHING
RETURNING log_id;

-- name: attempts
-- Every attempt on one ticket, oldest first.
SELECT attempt_id, ticket_id, action_id, run_id, event, effect, detail, at
FROM meta.action_attempt WHERE ticket_id = :ticket_id ORDER BY attempt_id;

-- name: stats
-- How many rows of a type and name have a status.
SELECT action_type, COALESCE(action_name, action_type) AS name, status, count(*) AS count,
       min(executed_at) AS first_executed, max(executed_at) AS last_executed
FROM meta.daemon_action_log GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: failed_tickets
-- Tickets with a failed action, or a claim that nobody has ended, newest first.
SELECT ticket_id, action_id FROM meta.daemon_action_log
WHERE (status = 'failed' OR (status = 'in_progress' AND COALESCE(lease_until, '-infinity') < clock_timestamp()))
  AND (CAST(:ticket_id AS bigint) IS NULL OR ticket_id = :ticket_id)
  AND (CAST(:action_id AS text) IS NULL OR action_id = :action_id)
ORDER BY executed_at DESC, ticket_id, action_id;

-- name: clear_failed
-- Failed actions become due at once with a fresh count; the clearing is an event, and where nobody could
-- look for an effect, the person who clears it says that it is not there.
WITH chosen AS (
    SELECT log_id, ticket_id, action_id, pipeline, error_message, failure_kind
    FROM meta.daemon_action_log
    WHERE (status = 'failed'
           OR (status = 'in_progress' AND COALESCE(lease_until, '-infinity') < clock_timestamp()))
      AND (CAST(:ticket_id AS bigint) IS NULL OR ticket_id = :ticket_id)
      AND (CAST(:action_id AS text) IS NULL OR action_id = :action_id)
    FOR UPDATE
), cleared AS (
    UPDATE meta.daemon_action_log AS log
    SET status = 'failed', claim_token = NULL, lease_until = NULL, failure_kind = 'retryable', next_attempt_at = NULL, attempts = 0
    FROM chosen WHERE log.log_id = chosen.log_id
), uncertain AS (
    SELECT DISTINCT ON (past.ticket_id, past.effect)
           past.ticket_id, past.action_id, past.pipeline, past.effect, past.event
    FROM meta.action_attempt AS past JOIN chosen USING (ticket_id, action_id)
    WHERE chosen.failure_kind = 'uncertain' AND past.effect IS NOT NULL
    ORDER BY past.ticket_id, past.effect, past.attempt_id DESC
), freed AS (
    INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, event, effect, detail)
    SELECT ticket_id, action_id, pipeline, 'absent', effect, jsonb_build_object('by', 'a person')
    FROM uncertain WHERE event IN ('intent', 'unclear')
)
INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, event, detail)
SELECT ticket_id, action_id, pipeline, 'cleared', jsonb_build_object('error', error_message) FROM chosen;

-- name: retry_now
-- A person launches these tickets: what waits or was given up is due at once. What nobody could look for is
-- only included where the person says that it is not there.
WITH chosen AS (
    SELECT log_id, ticket_id, action_id, pipeline, error_message, failure_kind, status
    FROM meta.daemon_action_log
    WHERE ticket_id = ANY(CAST(:ticket_ids AS bigint[])) AND action_id = ANY(CAST(:action_ids AS text[]))
      AND ((status = 'failed' AND failure_kind = 'permanent')
           OR (status = 'failed' AND failure_kind = 'uncertain' AND :include_uncertain)
           OR (status = 'failed' AND COALESCE(failure_kind, 'retryable') = 'retryable'
               AND next_attempt_at > clock_timestamp())
           OR (status = 'skipped' AND next_attempt_at > clock_timestamp()))
    FOR UPDATE
), changed AS (
    UPDATE meta.daemon_action_log AS log
    SET failure_kind = CASE log.status WHEN 'failed' THEN 'retryable' END,
        next_attempt_at = clock_timestamp(), attempts = 0
    FROM chosen WHERE log.log_id = chosen.log_id
), uncertain AS (
    SELECT DISTINCT ON (past.ticket_id, past.effect)
           past.ticket_id, past.action_id, past.pipeline, past.effect, past.event
    FROM meta.action_attempt AS past JOIN chosen USING (ticket_id, action_id)
    WHERE chosen.failure_kind = 'uncertain' AND past.effect IS NOT NULL
    ORDER BY past.ticket_id, past.effect, past.attempt_id DESC
), freed AS (
    INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, event, effect, detail)
    SELECT ticket_id, action_id, pipeline, :run_id, 'absent', effect, jsonb_build_object('by', 'a person')
    FROM uncertain WHERE event IN ('intent', 'unclear')
)
INSERT INTO meta.action_attempt (ticket_id, action_id, pipeline, run_id, event, detail)
SELECT ticket_id, action_id, pipeline, :run_id, 'asked_for',
       jsonb_build_object('by', 'a person', 'error', error_message)
FROM chosen
RETURNING attempt_id;
