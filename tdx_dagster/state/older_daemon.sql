-- What the older daemon left in the action log. Its rows name no pipeline and no run.

-- name: groups
-- Its rows by action id, with one of the configurations that the rows of this id noted.
SELECT g.action_id, g.action_type, g.completed, g.failed, g.other, g.first, g.last, g.last_completed,
       (SELECT l.metadata -> 'config' FROM meta.daemon_action_log AS l
        WHERE l.action_type = g.action_type AND l.action_id = g.action_id
          AND jsonb_typeof(l.metadata -> 'config') = 'object' LIMIT 1) AS config
FROM (
    SELECT action_id, action_type, count(*) FILTER (WHERE status = 'completed') AS completed,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status NOT IN ('completed', 'failed')) AS other,
           min(executed_at) AS first, max(executed_at) AS last,
           max(executed_at) FILTER (WHERE status = 'completed') AS last_completed
    FROM meta.daemon_action_log WHERE pipeline IS NULL AND run_id IS NULL
    GROUP BY action_id, action_type
) AS g ORDER BY g.action_id;

-- name: order
-- The order of its actions on a ticket, from the tickets it worked on last.
SELECT action_id FROM (
    SELECT action_id, row_number() OVER (PARTITION BY ticket_id ORDER BY executed_at, action_id) AS place
    FROM meta.daemon_action_log
    WHERE pipeline IS NULL AND run_id IS NULL AND ticket_id IN (
        SELECT recent.ticket_id FROM meta.daemon_action_log AS recent
        WHERE recent.pipeline IS NULL AND recent.run_id IS NULL
        ORDER BY recent.executed_at DESC NULLS LAST LIMIT 200)
) AS placed GROUP BY action_id ORDER BY avg(place), action_id;

-- name: partial
-- Tickets that have rows of some of these actions and not of all: it may have died before a row.
SELECT count(*) AS tickets, min(ticket_id) AS example FROM (
    SELECT ticket_id FROM meta.daemon_action_log
    WHERE pipeline IS NULL AND run_id IS NULL AND action_id = ANY (CAST(:action_ids AS text[]))
    GROUP BY ticket_id HAVING count(*) < cardinality(CAST(:action_ids AS text[]))
) AS incomplete;

-- name: doubles
-- Tickets on which it completed one type of action under several ids, not all of them of these actions.
SELECT action_type, count(*) AS tickets, min(ticket_id) AS example FROM (
    SELECT ticket_id, action_type FROM meta.daemon_action_log
    WHERE pipeline IS NULL AND run_id IS NULL AND status = 'completed' AND action_type <> 'summary_comment'
    GROUP BY ticket_id, action_type
    HAVING count(*) > 1 AND NOT bool_and(action_id = ANY (CAST(:action_ids AS text[])))
) AS twice GROUP BY action_type ORDER BY action_type;

-- name: lost_summaries
-- Results that no summary has posted, as far as the log knows: it failed, is missing, or is older than the result. A
-- daemon without the action summary_comment had nothing to post; add_asset has summary lines unless a row says
-- otherwise. A row of a summary that we have claimed since is judged by what it was.
WITH summary AS (
    SELECT ticket_id, coalesce(metadata #>> '{older_daemon,status}', status) AS status,
           coalesce(CAST(metadata #>> '{older_daemon,executed_at}' AS timestamptz), executed_at) AS executed_at
    FROM meta.daemon_action_log
    WHERE action_type = 'summary_comment'
      AND ((pipeline IS NULL AND run_id IS NULL) OR metadata ? 'older_daemon')
)
SELECT one.ticket_id, one.action_type, one.metadata -> 'details' AS details
FROM meta.daemon_action_log AS one
WHERE one.pipeline IS NULL AND one.run_id IS NULL AND one.status = 'completed'
  AND coalesce(one.metadata -> 'config' ->> 'add_summary_comment',
               CASE one.action_type WHEN 'add_asset' THEN 'true' END) = 'true'
  AND EXISTS (SELECT FROM summary)
  AND NOT EXISTS (
      SELECT FROM summary
      WHERE summary.ticket_id = one.ticket_id AND summary.status = 'completed'
        AND summary.executed_at >= one.executed_at)
ORDER BY one.ticket_id, one.executed_at;

-- name: recent_writes
-- Its rows of the last while: somebody runs it now. Found by the index over the time, which a time that changes
-- within a statement (clock_timestamp) could not use; not looked for once the take-over, which is the first attempt
-- of ours unless a time is given, is long past.
SELECT count(*) AS rows, max(executed_at) AS last FROM meta.daemon_action_log
WHERE executed_at > statement_timestamp() - CAST(:within AS interval) AND pipeline IS NULL AND run_id IS NULL
  AND coalesce(
    statement_timestamp() < CAST(:watched AS interval) + coalesce(
        CAST(:taken_over_at AS timestamptz), (SELECT at FROM meta.action_attempt ORDER BY attempt_id LIMIT 1)),
    true);
